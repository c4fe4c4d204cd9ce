"""Users, what they may do where, and how they prove who they are. No password or token is stored, only hashes."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, Id, Ref, Str, Time, one_of

_ROLES = ("viewer", "annotator", "reviewer", "administrator")


class UserRow(Base):
    """A person, or a part of the system. `role` holds in every project; NULL leaves it to memberships."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("name"),
        UniqueConstraint("subject"),
        one_of("kind", "person", "system"),
        one_of("role", *_ROLES),
    )

    id: Mapped[Id]
    name: Mapped[Str]
    kind: Mapped[Str]
    role: Mapped[Str | None]
    subject: Mapped[Str | None]  # who they are at an identity provider (OIDC)
    password_hash: Mapped[Str | None]
    disabled_at: Mapped[Time | None]
    created_at: Mapped[Time]


class MembershipRow(Base):
    """A user's role in one project."""

    __tablename__ = "memberships"
    __table_args__ = (
        one_of("role", *_ROLES),
        one_of("state", "active", "paused", "excluded"),
    )

    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    user_id: Mapped[Ref] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
    role: Mapped[Str]
    state: Mapped[Str]
    created_at: Mapped[Time]


class SessionRow(Base):
    """A person who logged in with a local account; the cookie's secret is kept as its hash."""

    __tablename__ = "sessions"
    __table_args__ = (UniqueConstraint("token_hash"), Index("ix_sessions_user_id", "user_id"))

    id: Mapped[Id]
    user_id: Mapped[Ref] = mapped_column(ForeignKey("users.id"))
    token_hash: Mapped[Str]
    created_at: Mapped[Time]
    seen_at: Mapped[Time]
    expires_at: Mapped[Time]
    revoked_at: Mapped[Time | None]


class ApiTokenRow(Base):
    """A person's key for programs, for one project or for all that the person may see."""

    __tablename__ = "api_tokens"
    __table_args__ = (UniqueConstraint("token_hash"), Index("ix_api_tokens_user_id", "user_id"))

    id: Mapped[Id]
    user_id: Mapped[Ref] = mapped_column(ForeignKey("users.id"))
    project_id: Mapped[Ref | None] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[Str]
    token_hash: Mapped[Str]
    created_by: Mapped[Ref] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]
    expires_at: Mapped[Time | None]
    used_at: Mapped[Time | None]
    revoked_at: Mapped[Time | None]


class InvitationRow(Base):
    """A one-time token: makes an account, or gives one a new password. `created_by` NULL: the first administrator."""

    __tablename__ = "invitations"
    __table_args__ = (UniqueConstraint("token_hash"), one_of("role", *_ROLES))

    id: Mapped[Id]
    token_hash: Mapped[Str]
    user_id: Mapped[Ref | None] = mapped_column(ForeignKey("users.id"))  # whose new password; NULL: a new account
    name: Mapped[Str | None]
    role: Mapped[Str | None]
    project_id: Mapped[Ref | None] = mapped_column(ForeignKey("projects.id"))  # where the role holds; NULL: everywhere
    created_by: Mapped[Ref | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]
    expires_at: Mapped[Time]
    used_at: Mapped[Time | None]
    used_by: Mapped[Ref | None] = mapped_column(ForeignKey("users.id"))


class ThrottleRow(Base):
    """Failed tries under one key (a user's name, an address), and until when the next is refused."""

    __tablename__ = "throttles"
    __table_args__ = (CheckConstraint("failures >= 0", name="failures"),)

    key: Mapped[Str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    blocked_until: Mapped[Time]
    updated_at: Mapped[Time]
