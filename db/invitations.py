"""Invitations: one-time links that make an account with a role, or give an account a new password."""

from __future__ import annotations

import secrets

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db import accounts, inputs, passwords, throttles
from db.access import authorize, end_sessions, find_user
from db.clock import now
from db.engine import Database
from db.errors import NotFound, PermissionDenied
from db.records import Actor, Invitation, NewInvitation, Role
from db.sessions import hash_of
from db.tables import InvitationRow, ProjectRow, UserRow

__all__ = [
    "Invitation",
    "NewInvitation",
    "accept",
    "first_administrator",
    "invite",
    "look",
    "new_password",
    "open_invitations",
    "withdraw",
]

LIFE_MS = 7 * 24 * 60 * 60 * 1000
FIRST_LIFE_MS = 24 * 60 * 60 * 1000
TOKEN_BYTES = 32
GONE = "expected an invitation that is open, got one that was used, withdrawn or is too old; ask for a new one"


def invite(
    database: Database, actor: Actor, role: Role, *, project_id: int | None = None, name: str | None = None
) -> NewInvitation:
    """Invite somebody to make an account with a role.

    Args:
        database: the store.
        actor: an administrator, everywhere or of that project.
        role: what the account gets.
        project_id: where the role holds; None is everywhere.
        name: the account's name, if it is not for the invited to choose; with a login provider the e-mail address
            that the provider must have verified.

    Raises:
        PermissionDenied: below administrator there.
        NotFound: if there is no such project.
    """
    fixed = inputs.name(name, "a user's name") if name else None

    def work(session: Session) -> NewInvitation:
        authorize(session, actor, project_id, Role.administrator)
        given = {"role": role.name, "project_id": project_id, "name": fixed}
        return _add(session, LIFE_MS, created_by=actor.user_id, **given)

    return database.write(work)


def new_password(database: Database, actor: Actor, user_id: int) -> NewInvitation:
    """Make a link by which a user chooses a new password; their sessions end when they do.

    Raises:
        PermissionDenied: below administrator.
        NotFound: if there is no such user.
    """

    def work(session: Session) -> NewInvitation:
        authorize(session, actor, None, Role.administrator)
        find_user(session, user_id)
        return _add(session, LIFE_MS, created_by=actor.user_id, user_id=user_id)

    return database.write(work)


def first_administrator(database: Database) -> NewInvitation | None:
    """Make the link for the first administrator, and end older ones; None when somebody can administrate already.

    The server calls it when it starts, and hands the token to nobody but the person at the machine.
    """

    def work(session: Session) -> NewInvitation | None:
        if accounts.somebody_administrates(session):
            return None
        ours = (InvitationRow.created_by.is_(None), InvitationRow.used_at.is_(None))
        session.execute(update(InvitationRow).where(*ours).values(expires_at=0))
        return _add(session, FIRST_LIFE_MS, role=Role.administrator.name)

    return database.write(work)


def look(database: Database, token: str) -> Invitation:
    """Return what a link's token would give.

    Raises:
        NotFound: if it is none, was used or withdrawn, is too old, or its maker may no longer invite.
    """
    return database.read(lambda session: _record(session, _usable(session, token, hold=False)))


def accept(database: Database, token: str, name: str, password: str) -> Actor:
    """Use an invitation, once: make the account, or give it the new password and end its sessions.

    Raises:
        NotFound: as `look`.
        InvalidInput: for a name or password that cannot be one.
        Conflict: if the name is taken.
    """
    offered = look(database, token)
    name = inputs.name(offered.for_user or offered.name or name, "a user's name")
    passwords.check(name, password)
    fresh = passwords.hashed(password)  # outside of the transaction: it takes its time

    def work(session: Session) -> Actor:
        row = _usable(session, token, hold=True)
        user = _account(session, row, name)
        user.password_hash = fresh
        end_sessions(session, user.id)
        throttles.forgive(session, throttles.keys(user.name, None))
        row.used_at, row.used_by = now(session), user.id
        return Actor(user_id=user.id, name=user.name, role=Role[user.role] if user.role else None)

    return database.write(work)


def open_invitations(database: Database, actor: Actor) -> list[Invitation]:
    """Return the invitations that can still be taken, the newest first.

    Raises:
        PermissionDenied: below administrator.
    """

    def work(session: Session) -> list[Invitation]:
        authorize(session, actor, None, Role.administrator)
        live = (InvitationRow.used_at.is_(None), InvitationRow.expires_at > now(session))
        rows = session.scalars(select(InvitationRow).where(*live).order_by(InvitationRow.id.desc()))
        return [_record(session, row) for row in rows]

    return database.read(work)


def withdraw(database: Database, actor: Actor, invitation_id: int) -> None:
    """End an invitation that was not used yet.

    Raises:
        PermissionDenied: below administrator.
        NotFound: if there is no such invitation.
    """

    def work(session: Session) -> None:
        authorize(session, actor, None, Role.administrator)
        row = session.get(InvitationRow, invitation_id)
        if row is None:
            raise NotFound(f"expected an invitation, got the id {invitation_id} of none; see the list of them")
        row.expires_at = min(row.expires_at, now(session))

    database.write(work, idempotent=True)


def _add(session: Session, life_ms: int, **values: object) -> NewInvitation:
    token, time = secrets.token_urlsafe(TOKEN_BYTES), now(session)
    row = InvitationRow(token_hash=hash_of(token), created_at=time, expires_at=time + life_ms, **values)
    session.add(row)
    session.flush()
    return NewInvitation(id=row.id, token=token, expires_at=row.expires_at)


def _usable(session: Session, token: str, *, hold: bool) -> InvitationRow:
    """Return the invitation; held until the transaction ends, it is used once."""
    query = select(InvitationRow).where(InvitationRow.token_hash == hash_of(token))
    row = session.scalars(query.with_for_update() if hold else query).one_or_none()
    if row is None or row.used_at is not None or row.expires_at <= now(session):
        raise NotFound(GONE)
    if row.created_by is None:
        if accounts.somebody_administrates(session):
            raise NotFound(GONE)
    else:
        try:
            authorize(session, Actor(user_id=row.created_by, name=""), row.project_id, Role.administrator)
        except (PermissionDenied, NotFound) as error:
            raise NotFound(GONE) from error
    return row


def _account(session: Session, row: InvitationRow, name: str) -> UserRow:
    """Return the account that an invitation is for, made now if it is for a new one."""
    if row.user_id is not None:
        return find_user(session, row.user_id)
    role = Role[row.role] if row.role else None
    if row.created_by is None:
        known = accounts.without_login(session, name)
        if known is not None:  # the person who worked here in local mode
            known.role, known.disabled_at = Role.administrator.name, None
            return known
    return accounts.add(session, name, role, row.project_id)


def _record(session: Session, row: InvitationRow) -> Invitation:
    user = session.get(UserRow, row.user_id) if row.user_id else None
    project = session.get(ProjectRow, row.project_id) if row.project_id else None
    return Invitation(
        id=row.id,
        name=row.name,
        role=Role[row.role] if row.role else None,
        project=project.name if project else None,
        for_user=user.name if user else None,
        first=row.created_by is None,
        expires_at=row.expires_at,
    )
