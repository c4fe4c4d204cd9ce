"""People whom a login provider (OIDC) vouches for: known by issuer and subject, never by name or e-mail address."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from db import accounts, inputs
from db.clock import now
from db.engine import Database
from db.errors import PermissionDenied
from db.records import Actor, Role
from db.tables import InvitationRow, MembershipRow, UserRow

__all__ = ["Identity", "recognize"]


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a provider's signed answer says.

    Attributes:
        issuer: The provider; a subject means something only together with it.
        subject: Who, for ever; names and addresses change hands.
        name: What to call them.
        email: Their address if the provider verified it, else None.
    """

    issuer: str
    subject: str
    name: str
    email: str | None

    @property
    def key(self) -> str:
        """What is stored: an issuer is an address and holds no space."""
        return f"{self.issuer} {self.subject}"


def recognize(database: Database, identity: Identity, administrators: Collection[str] = ()) -> Actor:
    """Return the user of an identity, made at the first login.

    A new user is an administrator if the subject or the verified address is among `administrators`, gets what an open
    invitation for the verified address gives, or has no role yet.

    Raises:
        InvalidInput: if the name is not one.
        PermissionDenied: if the user was disabled.
    """

    def work(session: Session) -> Actor:
        user = session.scalars(select(UserRow).where(UserRow.subject == identity.key)).one_or_none()
        if user is None:
            user = accounts.add(session, _free_name(session, identity), None)
            user.subject = identity.key
        if user.disabled_at is not None:
            raise PermissionDenied("expected an active user, got one that is disabled; ask an administrator")
        if user.role is None:
            _welcome(session, user, identity, administrators)
        return Actor(user_id=user.id, name=user.name, role=Role[user.role] if user.role else None)

    return database.write(work)


def _welcome(session: Session, user: UserRow, identity: Identity, administrators: Collection[str]) -> None:
    """Give a user without a role what waits for them."""
    listed = {entry.strip() for entry in administrators}
    email = (identity.email or "").casefold()
    if identity.subject in listed or (email and email in {entry.casefold() for entry in listed}):
        user.role = Role.administrator.name
    elif email:
        for row in session.scalars(_invitations(session, email)):
            _take(session, row, user)


def _invitations(session: Session, email: str) -> Select[tuple[InvitationRow]]:
    live = (InvitationRow.used_at.is_(None), InvitationRow.expires_at > now(session))
    ours = (InvitationRow.created_by.is_not(None), InvitationRow.user_id.is_(None))
    return select(InvitationRow).where(*live, *ours, func.lower(InvitationRow.name) == email).with_for_update()


def _take(session: Session, row: InvitationRow, user: UserRow) -> None:
    row.used_at, row.used_by = now(session), user.id
    if row.project_id is None:
        user.role = row.role
    elif session.get(MembershipRow, (row.project_id, user.id)) is None:
        member = {"project_id": row.project_id, "user_id": user.id, "role": row.role, "state": "active"}
        session.add(MembershipRow(**member, created_at=now(session)))


def _free_name(session: Session, identity: Identity) -> str:
    """Return the provider's name for them, numbered if somebody has it: a name never opens somebody's account."""
    wished = inputs.name((identity.name or identity.email or "somebody")[:190], "a user's name")
    name, number = wished, 2
    while accounts.is_taken(session, name):
        name, number = f"{wished} {number}", number + 1
    return name
