"""Who may do what. Every public function that acts for a person asks here, inside of its own transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, func, select, update
from sqlalchemy.orm import Session

from db import inputs
from db.clock import now
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from db.records import Actor, Role, User
from db.tables import MembershipRow, ProjectRow, SessionRow, UserRow

__all__ = [
    "Actor",
    "Role",
    "User",
    "add_member",
    "add_user",
    "authorize",
    "local_user",
    "role_in",
    "set_active",
    "set_role",
    "simulated_user",
    "system_actor",
    "users",
]

SYSTEM_NAME = "borderline"


def authorize(session: Session, actor: Actor, project_id: int | None, need: Role) -> Role:
    """Return the actor's role, or refuse. The stored role counts, never the one the actor brings along.

    Args:
        session: of the transaction that will do the work.
        actor: the acting user.
        project_id: None for what belongs to no project.
        need: the lowest role that will do.

    Raises:
        NotFound: if the project does not exist or was deleted.
        PermissionDenied: if the user is unknown or disabled, or the role is too low.
    """
    found = session.execute(_standing(actor.user_id, project_id)).one_or_none()
    if found is None or found.disabled_at is not None:
        raise PermissionDenied(f"expected an active user, got {actor.name!r}; ask an administrator for access")
    if found.state not in (None, "active"):
        raise PermissionDenied(f"expected an active member, got one that is {found.state}; ask an administrator")
    role = max((Role[name] for name in (found.role, found.member_role) if name), default=None)
    if role is None or role < need:
        shown = role.name if role else "none"
        raise PermissionDenied(
            f"expected the role {need.name}, got {shown} for {actor.name!r}; ask an administrator for it"
        )
    if project_id is not None and found.live is None:
        raise NotFound(f"expected a project, got the id {project_id} of none; see the list of projects")
    return role


def _standing(user_id: int, project_id: int | None) -> Select[Any]:
    """One statement for every check: the user, the membership, and whether the project is there."""
    member = and_(MembershipRow.user_id == UserRow.id, MembershipRow.project_id == project_id)
    project = and_(ProjectRow.id == project_id, ProjectRow.deleted_at.is_(None))
    columns = (
        UserRow.disabled_at,
        UserRow.role,
        MembershipRow.role.label("member_role"),
        MembershipRow.state,
        ProjectRow.id.label("live"),
    )
    joined = select(*columns).select_from(UserRow).outerjoin(MembershipRow, member).outerjoin(ProjectRow, project)
    return joined.where(UserRow.id == user_id)


def role_in(database: Database, actor: Actor, project_id: int) -> Role:
    """Return the highest role that the actor has in a project.

    Raises:
        NotFound: if there is no such project.
        PermissionDenied: if the actor has none there.
    """
    return database.read(lambda session: authorize(session, actor, project_id, Role.viewer))


def system_actor(database: Database) -> Actor:
    """Return the actor that flows act as; only code on the server side may ask for it."""
    return _ensure(database, SYSTEM_NAME, "system")


def local_user(database: Database, name: str) -> Actor:
    """Return the person of that name as an administrator, created at first use.

    This is local mode, where everybody at the machine is trusted; a page with accounts must not call it.

    Raises:
        InvalidInput: if the name is not one, or is the system's own.
        PermissionDenied: if the user was disabled.
    """
    name = inputs.name(name, "a user's name")
    if name == SYSTEM_NAME:
        raise InvalidInput(f"expected a person's name, got {name!r}, the system's own; choose another")
    return _ensure(database, name, "person")


def simulated_user(database: Database, name: str) -> Actor:
    """Return an annotator that is a program: it claims and answers as a person does, and nobody waits for it.

    Raises:
        InvalidInput: if the name is not one.
    """
    return _ensure(database, inputs.name(name, "a user's name"), "system")


def _ensure(database: Database, name: str, kind: str) -> Actor:
    def find(session: Session) -> UserRow | None:
        return session.scalars(select(UserRow).where(UserRow.name == name)).one_or_none()

    def create(session: Session) -> UserRow:
        row = find(session)
        if row is None:
            row = UserRow(name=name, kind=kind, role=Role.administrator.name, created_at=now(session))
            session.add(row)
            session.flush()
        return row

    row = database.read(find) or database.write(create, idempotent=True)
    if row.disabled_at is not None:
        raise PermissionDenied(f"expected an active user, got {name!r}; ask an administrator for access")
    return Actor(user_id=row.id, name=row.name, role=_role(row.role))


def users(database: Database, actor: Actor) -> list[User]:
    """Return every user, by name.

    Raises:
        PermissionDenied: below administrator.
    """

    def work(session: Session) -> list[User]:
        authorize(session, actor, None, Role.administrator)
        return [_user(row) for row in session.scalars(select(UserRow).order_by(UserRow.name))]

    return database.read(work)


def add_user(database: Database, actor: Actor, name: str, role: Role | None = None) -> User:
    """Add a person; `role` holds in all projects, None leaves it to memberships.

    Raises:
        PermissionDenied: below administrator.
        Conflict: if the name is taken.
    """
    name = inputs.name(name, "a user's name")

    def work(session: Session) -> User:
        authorize(session, actor, None, Role.administrator)
        row = UserRow(name=name, kind="person", role=role.name if role else None, created_at=now(session))
        session.add(row)
        session.flush()
        return _user(row)

    return database.write(work)


def set_active(database: Database, actor: Actor, user_id: int, active: bool) -> User:
    """Disable or enable a user; what they answered stays, their sessions end at once.

    Raises:
        PermissionDenied: below administrator.
        NotFound: if there is no such user.
        Conflict: if nobody would be left to administrate.
    """

    def work(session: Session) -> User:
        authorize(session, actor, None, Role.administrator)
        row = find_user(session, user_id)
        if not active:
            _keep_an_administrator(session, row)
            end_sessions(session, user_id)
        row.disabled_at = None if active else (row.disabled_at or now(session))
        return _user(row)

    return database.write(work, idempotent=True)


def set_role(database: Database, actor: Actor, user_id: int, role: Role | None) -> User:
    """Give a user a role in all projects, or none, so that only memberships count.

    Raises:
        PermissionDenied: below administrator.
        NotFound: if there is no such user.
        Conflict: if nobody would be left to administrate.
    """

    def work(session: Session) -> User:
        authorize(session, actor, None, Role.administrator)
        row = find_user(session, user_id)
        if role is not Role.administrator:
            _keep_an_administrator(session, row)
        row.role = role.name if role else None
        return _user(row)

    return database.write(work, idempotent=True)


def _keep_an_administrator(session: Session, leaving: UserRow) -> None:
    """Refuse to lose the last one; one who can log in is only replaced by another who can."""
    if leaving.role != Role.administrator.name or leaving.disabled_at is not None or leaving.kind != "person":
        return
    administrates = (UserRow.role == Role.administrator.name, UserRow.disabled_at.is_(None), UserRow.kind == "person")
    others = select(UserRow.id, UserRow.password_hash, UserRow.subject).where(*administrates, UserRow.id != leaving.id)
    left = session.execute(others.with_for_update()).all()
    if leaving.password_hash or leaving.subject:
        left = [row for row in left if row.password_hash or row.subject]
    if not left:
        raise Conflict(f"expected another active administrator, got only {leaving.name!r}; make somebody one first")


def end_sessions(session: Session, user_id: int) -> int:
    """Revoke every session of a user inside of a transaction; return how many were live."""
    live = (SessionRow.user_id == user_id, SessionRow.revoked_at.is_(None))
    ended = session.scalar(select(func.count()).select_from(SessionRow).where(*live))
    session.execute(update(SessionRow).where(*live).values(revoked_at=now(session)))
    return int(ended or 0)


def find_user(session: Session, user_id: int) -> UserRow:
    """Return a user's row inside of a transaction, held until its end.

    Raises:
        NotFound: if there is no such user.
    """
    row = session.scalars(select(UserRow).where(UserRow.id == user_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound(f"expected a user, got the id {user_id} of none; see the list of users")
    return row


def add_member(database: Database, actor: Actor, project_id: int, user_id: int, role: Role) -> None:
    """Give a user a role in one project, or change it.

    Raises:
        PermissionDenied: below administrator in that project.
        NotFound: if there is no such user or project.
    """

    def work(session: Session) -> None:
        authorize(session, actor, project_id, Role.administrator)
        find_user(session, user_id)
        row = session.get(MembershipRow, (project_id, user_id))
        if row is None:
            row = MembershipRow(project_id=project_id, user_id=user_id, state="active", created_at=now(session))
            session.add(row)
        row.role, row.state = role.name, "active"

    database.write(work, idempotent=True)


def _role(name: str | None) -> Role | None:
    return Role[name] if name else None


def _user(row: UserRow) -> User:
    return User(
        id=row.id,
        name=row.name,
        kind=row.kind,
        role=_role(row.role),
        active=row.disabled_at is None,
        created_at=row.created_at,
    )
