"""Who works on a project, with which role; pause somebody, or exclude them with their answers."""

from __future__ import annotations

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from db import inputs
from db.access import authorize
from db.clock import now
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound
from db.records import Actor, Member, Role, User
from db.tables import AnnotationRow, ClaimRow, MembershipRow, QueryRow, UserRow
from db.withdrawals import settle_open, take_back

__all__ = ["add", "members", "remove", "set_role", "set_state", "standing_answers"]

STATES = ("active", "paused", "excluded")
AT_ONCE = 200  # answers withdrawn in one transaction: others' answers come in between


def members(database: Database, actor: Actor, project_id: int) -> list[Member]:
    """Return the people of a project by name: its members, and those whose role holds in all projects.

    Raises:
        PermissionDenied: below reviewer in the project.
    """

    def work(session: Session) -> list[Member]:
        authorize(session, actor, project_id, Role.reviewer)
        there = or_(MembershipRow.user_id.is_not(None), UserRow.role.is_not(None))
        mine = (MembershipRow.user_id == UserRow.id) & (MembershipRow.project_id == project_id)
        statement = select(UserRow, MembershipRow).outerjoin(MembershipRow, mine).where(there)
        people = statement.where(UserRow.kind == "person", UserRow.disabled_at.is_(None)).order_by(UserRow.name)
        return [_member(user, row) for user, row in session.execute(people).tuples()]

    return database.read(work)


def standing_answers(database: Database, actor: Actor, project_id: int, user_id: int) -> int:
    """Return how many answers of a person stand in the project: what excluding them would withdraw.

    Raises:
        PermissionDenied: below administrator in the project.
    """

    def work(session: Session) -> int:
        authorize(session, actor, project_id, Role.administrator)
        given = AnnotationRow.project_id == project_id, AnnotationRow.user_id == user_id
        return session.scalars(select(func.count()).where(*given, AnnotationRow.withdrawn_at.is_(None))).one()

    return database.read(work)


def add(database: Database, actor: Actor, project_id: int, name: str, role: Role) -> Member:
    """Make a person who is known to Borderline a member, or give a member another role; the state stays.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if nobody goes by that name.
        InvalidInput: for the actor's own role.
    """
    name = inputs.name(name, "a person's name")

    def work(session: Session) -> Member:
        authorize(session, actor, project_id, Role.administrator)
        found = session.scalars(select(UserRow).where(UserRow.name == name, UserRow.kind == "person")).one_or_none()
        if found is None:
            raise NotFound(f"expected the name of a person, got {name!r} of nobody; let them sign in once, or add them")
        return _set_role(session, actor, project_id, found, role)

    return database.write(work, idempotent=True)


def set_role(database: Database, actor: Actor, project_id: int, user_id: int, role: Role) -> Member:
    """Give a person a role in this project. A higher role for all projects still counts; the state stays.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if there is no such user.
        InvalidInput: for the actor's own role: nobody locks the last administrator out by mistake.
    """

    def work(session: Session) -> Member:
        authorize(session, actor, project_id, Role.administrator)
        return _set_role(session, actor, project_id, _user(session, user_id), role)

    return database.write(work, idempotent=True)


def set_state(database: Database, actor: Actor, project_id: int, user_id: int, state: str) -> Member:
    """Let a person work, pause them, or exclude them; whatever they hold is given to others at once.

    'paused' hands out nothing more; what was answered counts. 'excluded' also withdraws every answer of theirs that
    stands in this project, by 'withdraw' events: labels are resolved anew without them, images that lack votes are
    asked again, and history keeps all of it. What they decided as a reviewer stays. 'active' lets them work again; it
    does not bring withdrawn answers back. A state holds against a role for all projects, too.

    Many answers are withdrawn in parts, so that others can go on meanwhile. The state comes first; if the process is
    killed on the way, excluding the person again goes on with the rest.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if the person has no role here.
        InvalidInput: for another state, or the actor's own.
    """
    if state not in STATES:
        raise InvalidInput(f"expected a state of {', '.join(STATES)}, got {state!r:.40}; choose one of them")

    def first(session: Session) -> Member:
        authorize(session, actor, project_id, Role.administrator)
        user = _user(session, user_id)
        _require_other(actor, user_id, "state")
        row = _membership(session, project_id, user)
        row.state = state
        session.flush()
        if state != "active":
            _release(session, project_id, user_id)
        settle_open(session, project_id)  # nobody waits for the votes of somebody who gives none
        return _member(user, row)

    member = database.write(first, idempotent=True)
    while state == "excluded" and _withdraw_some(database, actor, project_id, user_id):
        pass
    return member


def remove(database: Database, actor: Actor, project_id: int, user_id: int) -> None:
    """End a membership; the answers stay (to withdraw them, exclude the person first). No membership is no error.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if there is no such user.
        InvalidInput: for the actor's own membership.
        Conflict: if the membership keeps out somebody whose role for all projects would let them in again.
    """

    def work(session: Session) -> None:
        authorize(session, actor, project_id, Role.administrator)
        user = _user(session, user_id)
        _require_other(actor, user_id, "membership")
        row = session.get(MembershipRow, (project_id, user_id))
        if row is not None and row.state != "active" and user.role is not None:
            raise Conflict(
                f"expected a member who is active, got {user.name!r}, who is {row.state} and would be let in again by "
                f"the role {user.role} for all projects; make them active first if that is wanted"
            )
        session.execute(
            delete(MembershipRow).where(MembershipRow.project_id == project_id, MembershipRow.user_id == user_id)
        )
        if user.role is None or Role[user.role] < Role.annotator:
            _release(session, project_id, user_id)
        settle_open(session, project_id)

    database.write(work, idempotent=True)


def _withdraw_some(database: Database, actor: Actor, project_id: int, user_id: int) -> bool:
    """Withdraw the next answers; False when none stands, or the person is active again by now."""

    def work(session: Session) -> bool:
        authorize(session, actor, project_id, Role.administrator)
        row = session.get(MembershipRow, (project_id, user_id), populate_existing=True, with_for_update=True)
        if row is None or row.state != "excluded":
            return False
        given = AnnotationRow.project_id == project_id, AnnotationRow.user_id == user_id
        standing = select(AnnotationRow.id).where(*given, AnnotationRow.withdrawn_at.is_(None))
        ids = session.scalars(standing.order_by(AnnotationRow.id).limit(AT_ONCE)).all()
        take_back(session, project_id, ids, actor.user_id, "the annotator was excluded")
        return bool(ids)

    return database.write(work, idempotent=True)


def _set_role(session: Session, actor: Actor, project_id: int, user: UserRow, role: Role) -> Member:
    _require_other(actor, user.id, "role")
    row = session.get(MembershipRow, (project_id, user.id))
    if row is None:
        row = MembershipRow(project_id=project_id, user_id=user.id, state="active", created_at=now(session))
        session.add(row)
    row.role = Role(role).name
    session.flush()
    member = _member(user, row)
    if member.role < Role.annotator:
        _release(session, project_id, user.id)
    settle_open(session, project_id)
    return member


def _membership(session: Session, project_id: int, user: UserRow) -> MembershipRow:
    row = session.get(MembershipRow, (project_id, user.id))
    if row is None and user.role is None:
        raise NotFound(f"expected a member of this project, got {user.name!r}, who has no role here; add them first")
    if row is None:
        row = MembershipRow(project_id=project_id, user_id=user.id, role=user.role, created_at=now(session))
        session.add(row)
    return row


def _release(session: Session, project_id: int, user_id: int) -> None:
    here = select(QueryRow.id).where(QueryRow.id == ClaimRow.query_id, QueryRow.project_id == project_id)
    held = ClaimRow.user_id == user_id, ClaimRow.state == "leased", here.exists()
    session.execute(
        update(ClaimRow).where(*held).values(state="released"), execution_options={"synchronize_session": False}
    )


def _require_other(actor: Actor, user_id: int, what: str) -> None:
    if actor.user_id == user_id:
        raise InvalidInput(f"expected somebody else, got your own {what}; ask another administrator to change it")


def _user(session: Session, user_id: int) -> UserRow:
    row = session.get(UserRow, int(user_id))
    if row is None or row.kind != "person":
        raise NotFound(f"expected a person, got the id {user_id} of none; see the list of members")
    return row


def _member(user: UserRow, row: MembershipRow | None) -> Member:
    roles = [Role[name] for name in (user.role, row.role if row else None) if name]
    record = User(
        id=user.id,
        name=user.name,
        kind=user.kind,
        role=Role[user.role] if user.role else None,
        active=user.disabled_at is None,
        created_at=user.created_at,
    )
    return Member(user=record, role=max(roles), state=row.state if row else "active")
