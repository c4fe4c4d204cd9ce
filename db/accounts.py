"""Local accounts: names with passwords. A failed login says the same whatever was wrong, and slows the next one."""

from __future__ import annotations

import unicodedata

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db import passwords, throttles
from db.access import authorize, end_sessions, find_user
from db.clock import now
from db.engine import Database
from db.errors import Conflict, NotFound, PermissionDenied
from db.records import Account, Actor, Role, User
from db.tables import MembershipRow, ProjectRow, SessionRow, UserRow

__all__ = ["Account", "change_password", "list_accounts", "log_in"]

WRONG = "The name or the password is not right."


def log_in(database: Database, name: str, password: str, address: str | None = None) -> Actor:
    """Return who a name and a password belong to.

    Args:
        database: the store.
        name: as typed.
        password: as typed; it is in no message and no log.
        address: where the try comes from, for the second counter.

    Raises:
        TooManyTries: after too many failures under this name or from this address.
        PermissionDenied: if the name, the password or the account's state is not right; which of them is not said.
    """
    name = unicodedata.normalize("NFC", name).strip()
    counters = throttles.keys(name, address)
    database.write(lambda session: throttles.count_try(session, counters))
    known = database.read(lambda session: _find(session, name))
    stored = known.password_hash if known else None
    if not passwords.matches(stored, password) or known is None or stored is None:
        raise PermissionDenied(WRONG)
    fresh = passwords.hashed(password) if passwords.outdated(stored) else stored

    def work(session: Session) -> Actor:
        user = find_user(session, known.id)
        if user.disabled_at is not None or user.password_hash != stored:  # changed meanwhile
            raise PermissionDenied(WRONG)
        user.password_hash = fresh
        throttles.forgive(session, counters)
        return Actor(user_id=user.id, name=user.name, role=Role[user.role] if user.role else None)

    return database.write(work)


def change_password(database: Database, user_id: int, old: str, new: str, address: str | None = None) -> None:
    """Give a logged-in user a new password; all their sessions end.

    Raises:
        TooManyTries: as `log_in`.
        PermissionDenied: if the old password is not right.
        InvalidInput: if the new one cannot be one.
    """
    name = database.read(lambda session: _name_of(session, user_id))
    passwords.check(name, new)
    actor = log_in(database, name, old, address)
    fresh = passwords.hashed(new)

    def work(session: Session) -> None:
        find_user(session, actor.user_id).password_hash = fresh
        end_sessions(session, actor.user_id)

    database.write(work, idempotent=True)


def list_accounts(database: Database, actor: Actor) -> list[Account]:
    """Return every person by name: how they can log in, live sessions, roles in projects.

    Raises:
        PermissionDenied: below administrator.
    """

    def work(session: Session) -> list[Account]:
        authorize(session, actor, None, Role.administrator)
        people = session.scalars(select(UserRow).where(UserRow.kind == "person").order_by(UserRow.name)).all()
        places, live = _memberships(session), _live_sessions(session)
        return [_record(row, live.get(row.id, 0), tuple(places.get(row.id, ()))) for row in people]

    return database.read(work)


def somebody_administrates(session: Session) -> bool:
    """Return whether an active administrator can log in."""
    able = UserRow.password_hash.is_not(None) | UserRow.subject.is_not(None)
    wanted = (UserRow.role == Role.administrator.name, UserRow.disabled_at.is_(None), UserRow.kind == "person", able)
    return session.scalar(select(func.count()).select_from(UserRow).where(*wanted)) != 0


def without_login(session: Session, name: str) -> UserRow | None:
    """Return the person of that name if nobody can log in as them yet."""
    row = _find(session, name)
    free = row is not None and row.kind == "person" and not row.password_hash and not row.subject
    return row if free else None


def add(session: Session, name: str, role: Role | None, project_id: int | None = None) -> UserRow:
    """Add a person inside of a transaction, with a role everywhere or in one project.

    Raises:
        Conflict: if the name is taken, in capital or small letters.
    """
    if is_taken(session, name):
        raise Conflict(f"expected a name of one's own, got {name!r}, which is taken; choose another")
    everywhere = role.name if role and project_id is None else None
    row = UserRow(name=name, kind="person", role=everywhere, created_at=now(session))
    session.add(row)
    session.flush()
    if role and project_id is not None:
        member = {"project_id": project_id, "user_id": row.id, "role": role.name, "state": "active"}
        session.add(MembershipRow(**member, created_at=row.created_at))
    return row


def is_taken(session: Session, name: str) -> bool:
    """Return whether somebody has this name; 'Ada' beside 'ada' would be taken for her."""
    wanted = unicodedata.normalize("NFKC", name).casefold()
    names = session.scalars(select(UserRow.name))
    return any(unicodedata.normalize("NFKC", other).casefold() == wanted for other in names)


def _find(session: Session, name: str) -> UserRow | None:
    return session.scalars(select(UserRow).where(UserRow.name == name)).one_or_none()


def _name_of(session: Session, user_id: int) -> str:
    name = session.scalar(select(UserRow.name).where(UserRow.id == user_id))
    if name is None:
        raise NotFound(f"expected a user, got the id {user_id} of none; log in again")
    return name


def _memberships(session: Session) -> dict[int, list[tuple[str, Role, str]]]:
    found: dict[int, list[tuple[str, Role, str]]] = {}
    columns = (MembershipRow.user_id, ProjectRow.name, MembershipRow.role, MembershipRow.state)
    joined = select(*columns).join(ProjectRow, ProjectRow.id == MembershipRow.project_id)
    for user_id, project, role, state in session.execute(joined.where(ProjectRow.deleted_at.is_(None))):
        found.setdefault(user_id, []).append((project, Role[role], state))
    return found


def _live_sessions(session: Session) -> dict[int, int]:
    live = (SessionRow.revoked_at.is_(None), SessionRow.expires_at > now(session))
    counted = select(SessionRow.user_id, func.count()).where(*live).group_by(SessionRow.user_id)
    return dict(session.execute(counted).tuples().all())


def _record(row: UserRow, sessions: int, memberships: tuple[tuple[str, Role, str], ...]) -> Account:
    user = User(
        id=row.id,
        name=row.name,
        kind=row.kind,
        role=Role[row.role] if row.role else None,
        active=row.disabled_at is None,
        created_at=row.created_at,
    )
    return Account(
        user=user,
        has_password=row.password_hash is not None,
        has_identity=row.subject is not None,
        sessions=sessions,
        memberships=memberships,
    )
