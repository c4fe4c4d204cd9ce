"""Users and what they may do where."""

from __future__ import annotations

from sqlalchemy import ForeignKey, UniqueConstraint
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
