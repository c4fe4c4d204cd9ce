"""Claims: a query handed to one annotator for a limited time, by the database's clock.

What must not happen is forbidden by unique indexes; the order of steps below only makes the refusals rare. On
PostgreSQL the query is locked first and its slots are counted in a second statement (a count in the locking statement
is as old as its snapshot); SQLite's writers are one at a time. An expired lease ends when somebody needs its slot,
never by a sweeper.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, false, func, or_, select, tuple_, update
from sqlalchemy.orm import Session, aliased

from db import gold, inputs
from db.access import authorize
from db.clock import now
from db.engine import Database
from db.records import Actor, ClaimedQuery, Role, Waiting
from db.tables import AnnotationRow, ClaimRow, ProjectRow, QueryRow
from db.votes import NO_VOTES, is_about_the_image

LEASE_SECONDS = 120
MOST_AT_ONCE = 1000
_UNSEEN = {"gold": "learn", "spot_check": "learn", "copy_check": "learn"}  # quality checks look like any other query
_QUEUE = (QueryRow.reserve, QueryRow.round_id, QueryRow.rank, QueryRow.id)
_ATTEMPTS = 3
IN_GRID = QueryRow.kind == "confirm"
SINGLY = QueryRow.kind != "confirm"
SENT_BACK = func.coalesce(QueryRow.details["sent_back"].as_boolean(), false())
MARKED_WRONG = and_(QueryRow.kind.in_(("learn", "holdout")), QueryRow.group_key.is_not(None))  # in the grid, before


def claim(
    database: Database, actor: Actor, project_id: int, count: int, lease_seconds: int = LEASE_SECONDS
) -> list[ClaimedQuery]:
    """Claim up to `count` queries for the actor.

    Main queries come before the reserve, older rounds before newer ones, then by rank. What the actor holds already is
    renewed and comes back: a reload shows the same images. Only reserve gives way: when a new round has better queries
    than the reserve that the actor holds, as many of the reserve are released. A sample the actor answered in any way
    is not offered to them again. A paused project hands out nothing new.

    Raises:
        PermissionDenied: below annotator in the project.
        InvalidInput: for a count outside of 1 to 1000 or a lease outside of 1 second to a day.
    """
    inputs.integer(count, "count", 1, MOST_AT_ONCE)
    lease = 1000 * inputs.integer(lease_seconds, "lease_seconds", 1, 86_400)

    def work(session: Session) -> list[ClaimedQuery]:
        authorize(session, actor, project_id, Role.annotator)
        project = session.get_one(ProjectRow, project_id)
        at = now(session)
        rows = renew_held(session, actor.user_id, project_id, at + lease, SINGLY)
        if project.state != "paused":
            held = sum(not query.reserve for query, _ in rows)
            rows += _fresh(session, actor.user_id, project_id, count - held, at, lease, reserve=False)
            rows += _fresh(session, actor.user_id, project_id, count - len(rows), at, lease, reserve=True)
            rows += _gold(session, project, actor.user_id, rows, at, lease)
        rows = _best(session, rows, count)
        return [describe(query, row, project.show_predictions) for query, row in rows]

    return database.write(work, idempotent=True)


def describe(query: QueryRow, row: ClaimRow, show_predictions: bool) -> ClaimedQuery:
    """Make the record of a claim."""
    return ClaimedQuery(
        query_id=query.id,
        sample_id=query.sample_id,
        kind=_UNSEEN.get(query.kind, query.kind),
        token=row.token,
        expires_at=row.expires_at,
        rank=query.rank,
        reserve=query.reserve,
        predicted=query.predicted if show_predictions else None,
        comment="" if query.kind in _UNSEEN else str((query.details or {}).get("comment", "")),
    )


def renew_held(
    session: Session, user_id: int, project_id: int, until: int, kind: ColumnElement[bool]
) -> list[tuple[QueryRow, ClaimRow]]:
    """Renew what the user holds of a kind, as far as nobody took it, and return it in the queue's order."""
    statement = (
        select(QueryRow, ClaimRow)
        .join(ClaimRow, ClaimRow.query_id == QueryRow.id)
        .where(ClaimRow.user_id == user_id, ClaimRow.state == "leased")
        .where(QueryRow.project_id == project_id, QueryRow.state == "open", kind)
        .order_by(*_QUEUE)
        .limit(MOST_AT_ONCE)
    )
    rows = list(session.execute(statement).tuples())
    mine = (
        ClaimRow.id.in_([row.id for _, row in rows]),
        ClaimRow.state == "leased",
    )  # others may take an expired one just now
    renewed = update(ClaimRow).where(*mine).values(expires_at=until).returning(ClaimRow.id)
    kept = set(session.scalars(renewed, execution_options={"synchronize_session": "fetch"}).all()) if rows else set()
    return [(query, row) for query, row in rows if row.id in kept]


def _best(session: Session, rows: list[tuple[QueryRow, ClaimRow]], count: int) -> list[tuple[QueryRow, ClaimRow]]:
    """Return the best `count` in the queue's order; of what is left over the reserve is released."""
    ordered = sorted(rows, key=lambda item: (item[0].reserve, item[0].round_id, item[0].rank, item[0].id))
    for query, claim_row in ordered[count:]:
        if query.reserve:
            claim_row.state = "released"
    session.flush()
    return ordered[:count]


def _fresh(
    session: Session, user_id: int, project_id: int, wanted: int, at: int, lease: int, *, reserve: bool
) -> list[tuple[QueryRow, ClaimRow]]:
    return take(session, user_id, project_id, wanted, at, lease, QueryRow.reserve.is_(reserve), SINGLY)


def take(
    session: Session, user_id: int, project_id: int, wanted: int, at: int, lease: int, *which: ColumnElement[bool]
) -> list[tuple[QueryRow, ClaimRow]]:
    """Claim up to `wanted` of the queries that are free for the user, the first in the queue's order."""
    got: list[tuple[QueryRow, ClaimRow]] = []
    for _ in range(_ATTEMPTS):
        if len(got) >= wanted:
            break
        statement = first_offered(user_id, project_id, at, *which).limit(wanted - len(got))
        queries = session.scalars(statement).all()
        if not queries:
            break
        got += assign(session, queries, user_id, at=at, until=at + lease)
    return got


def _gold(
    session: Session, project: ProjectRow, user_id: int, rows: list[tuple[QueryRow, ClaimRow]], at: int, lease: int
) -> list[tuple[QueryRow, ClaimRow]]:
    fresh = [query for query, row in rows if row.claimed_at == at]
    queries = gold.due(session, project, user_id, fresh)
    return assign(session, queries, user_id, at=at, until=at + lease) if queries else []


def first_offered(user_id: int, project_id: int, at: int, *which: ColumnElement[bool]) -> Select[tuple[QueryRow]]:
    """Lock queries that are free for the user, in the queue's order; what others are locking is passed over."""
    statement = offered(select(QueryRow).where(*which), user_id, project_id, at).order_by(*_QUEUE)
    locked = statement.with_for_update(skip_locked=True, key_share=True, of=QueryRow)
    return locked.execution_options(populate_existing=True)


def offered(base: Select[tuple[QueryRow]], user_id: int, project_id: int, at: int) -> Select[tuple[QueryRow]]:
    """Narrow a statement to queries that have a free slot for the user."""
    return _answerable(base, user_id, project_id).where(_slots_taken(at) < QueryRow.slots)


def _slots_taken(at: int) -> ScalarSelect[int]:
    return select(func.count(ClaimRow.id)).where(ClaimRow.query_id == QueryRow.id, _taken(at)).scalar_subquery()


def _answerable(base: Select[tuple[QueryRow]], user_id: int, project_id: int) -> Select[tuple[QueryRow]]:
    """Open queries that the user neither holds nor answered; a check may have shown them the sample before."""
    check = QueryRow.kind.in_((*NO_VOTES, "spot_check"))
    same = or_(AnnotationRow.query_id == QueryRow.id, and_(~check, is_about_the_image()))
    answered = select(AnnotationRow.id).where(
        AnnotationRow.sample_id == QueryRow.sample_id,
        AnnotationRow.user_id == user_id,
        AnnotationRow.withdrawn_at.is_(None),
        same,
    )
    mine = select(ClaimRow.id).where(
        ClaimRow.query_id == QueryRow.id, ClaimRow.user_id == user_id, ClaimRow.state.in_(("leased", "done"))
    )
    still = QueryRow.project_id == project_id, QueryRow.state == "open", QueryRow.kind != "gold"
    return base.where(*still, ~mine.exists(), ~answered.exists())


def _taken(at: int) -> ColumnElement[bool]:
    return or_(ClaimRow.state == "done", and_(ClaimRow.state == "leased", ClaimRow.expires_at > at))


def assign(
    session: Session, queries: Sequence[QueryRow], user_id: int, *, at: int, until: int
) -> list[tuple[QueryRow, ClaimRow]]:
    """Give the user a free slot of each locked query that has one; the tokens of a query only grow."""
    ids = [query.id for query in queries]
    stale = ClaimRow.query_id.in_(ids), ClaimRow.state == "leased", ClaimRow.expires_at <= at
    unsynchronized = {"synchronize_session": False}
    session.execute(update(ClaimRow).where(*stale).values(state="expired"), execution_options=unsynchronized)
    active = ClaimRow.query_id.in_(ids), ClaimRow.state.in_(("leased", "done"))
    taken: dict[int, set[int]] = {query_id: set() for query_id in ids}
    for query_id, slot in session.execute(select(ClaimRow.query_id, ClaimRow.slot).where(*active)):
        taken[query_id].add(slot)
    got = []
    for query in queries:
        free = next((slot for slot in range(query.slots) if slot not in taken[query.id]), None)
        if free is None:
            continue
        query.token += 1
        row = ClaimRow(
            query_id=query.id, slots=query.slots, slot=free, user_id=user_id, token=query.token, state="leased"
        )
        row.claimed_at, row.expires_at = at, until
        session.add(row)
        got.append((query, row))
    session.flush()
    return got


def renew(
    database: Database,
    actor: Actor,
    project_id: int,
    tokens: Sequence[tuple[int, int]],
    lease_seconds: int = LEASE_SECONDS,
) -> list[int]:
    """Prolong claims named by (query id, token); returns the query ids that are still the actor's.

    Raises:
        PermissionDenied: below annotator in the project.
    """
    lease = 1000 * inputs.integer(lease_seconds, "lease_seconds", 1, 86_400)

    def work(session: Session) -> list[int]:
        authorize(session, actor, project_id, Role.annotator)
        named = tuple_(ClaimRow.query_id, ClaimRow.token).in_([(int(query), int(token)) for query, token in tokens])
        statement = update(ClaimRow).where(named, *_mine(actor.user_id, project_id)).returning(ClaimRow.query_id)
        return sorted(session.scalars(statement.values(expires_at=now(session) + lease)))

    return database.write(work, idempotent=True) if tokens else []


def release(database: Database, actor: Actor, project_id: int, query_ids: Sequence[int]) -> int:
    """Give claims back so that others can have them at once; returns how many.

    Raises:
        PermissionDenied: below annotator in the project.
    """

    def work(session: Session) -> int:
        authorize(session, actor, project_id, Role.annotator)
        named = ClaimRow.query_id.in_([int(query) for query in query_ids])
        statement = update(ClaimRow).where(named, *_mine(actor.user_id, project_id)).returning(ClaimRow.id)
        return len(session.scalars(statement.values(state="released")).all())

    return database.write(work, idempotent=True)


def _mine(user_id: int, project_id: int) -> tuple[ColumnElement[bool], ...]:
    here = select(QueryRow.id).where(QueryRow.id == ClaimRow.query_id, QueryRow.project_id == project_id).exists()
    return ClaimRow.user_id == user_id, ClaimRow.state == "leased", here


def free_now(database: Database, actor: Actor, project_id: int, most: int) -> int:
    """Return how many queries are free for the actor, counted up to `most`: a page asks this at every refill.

    Raises:
        PermissionDenied: below annotator in the project.
        InvalidInput: for a `most` outside of 1 to 1000.
    """
    inputs.integer(most, "most", 1, MOST_AT_ONCE)

    def work(session: Session) -> int:
        authorize(session, actor, project_id, Role.annotator)
        free = offered(select(QueryRow).where(SINGLY), actor.user_id, project_id, now(session))
        return _count(session, free.limit(most))

    return database.read(work)


def waiting(database: Database, actor: Actor, project_id: int) -> Waiting:
    """Say what is left for the actor: free now, or with others until their leases end.

    Raises:
        PermissionDenied: below annotator in the project.
    """

    def work(session: Session) -> Waiting:
        authorize(session, actor, project_id, Role.annotator)
        at = now(session)
        could = _answerable(select(QueryRow).where(SINGLY), actor.user_id, project_id)
        busy = could.where(_slots_taken(at) >= QueryRow.slots)
        held = aliased(ClaimRow)  # another name than the claims that are counted in `busy`
        leased = held.query_id.in_(busy.with_only_columns(QueryRow.id)), held.state == "leased", held.expires_at > at
        ends = session.scalars(select(func.min(held.expires_at)).where(*leased)).one()
        return Waiting(
            open=_count(session, could.where(_slots_taken(at) < QueryRow.slots)),
            with_others=_count(session, busy),
            next_free_in_ms=None if ends is None else ends - at,
        )

    return database.read(work)


def _count(session: Session, statement: Select[tuple[QueryRow]]) -> int:
    ids = statement.with_only_columns(QueryRow.id).subquery()
    return session.scalars(select(func.count()).select_from(ids)).one()
