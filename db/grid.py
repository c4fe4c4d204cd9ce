"""The grid: many images of one predicted class are confirmed at a look, the wrong ones among them are asked singly.

Batches that the model is sure of are the easiest to answer (CSCW 2021, doi:10.1145/3476037), and they invite to confirm
without looking (doi:10.1145/3449163): a share of the confirmed images is asked again singly, unseen. Which ones depends
on the project's seed and the sample alone, so that a repeat or another process decides alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from db import inputs
from db.access import authorize
from db.claims import IN_GRID, LEASE_SECONDS, MOST_AT_ONCE, describe, first_offered, offered, renew_held, take
from db.clock import now
from db.engine import Database
from db.errors import InvalidInput
from db.grid_marks import single_kind
from db.records import Actor, Answer, Group, Role
from db.tables import ClaimRow, ClassRow, ProjectRow, QueryRow

__all__ = ["claim_group", "spot_check", "tiles"]

MOST = 48
_Rows = list[tuple[QueryRow, ClaimRow]]


def claim_group(
    database: Database,
    actor: Actor,
    project_id: int,
    most: int = MOST,
    lease_seconds: int = LEASE_SECONDS,
    *,
    besides: Sequence[int] = (),
) -> Group | None:
    """Claim up to `most` images of one group to confirm; None when there is none for the actor.

    What the actor holds already is renewed and comes back first, filled up from the same group. A class that was
    merged is asked as the class it went into; images whose predicted class is gone are asked singly from now on. A
    paused project hands out nothing new.

    Args:
        database: the store.
        actor: who will confirm them.
        project_id: the project.
        most: images at most, 1 to 48.
        lease_seconds: for how long they are the actor's.
        besides: queries that the actor's page has already, so that it gets the group after those.

    Raises:
        PermissionDenied: below annotator in the project.
        InvalidInput: for numbers out of range.
    """
    inputs.integer(most, "most", 1, MOST)
    lease = 1000 * inputs.integer(lease_seconds, "lease_seconds", 1, 86_400)
    known = _known(besides)

    def work(session: Session) -> Group | None:
        authorize(session, actor, project_id, Role.annotator)
        project = session.get_one(ProjectRow, project_id)
        at = now(session)
        mine = [
            item
            for item in renew_held(session, actor.user_id, project_id, at + lease, IN_GRID)
            if item[0].id not in known
        ]
        while rows := _fill(session, actor.user_id, project, mine, known, most, at, lease):
            class_id = _live_class(session, project_id, rows[0][0].predicted)
            if class_id is not None:
                queries = tuple(describe(query, row, show_predictions=True) for query, row in rows)
                return Group(key=rows[0][0].group_key or "", class_id=class_id, queries=queries)
            _ask_singly(session, rows)
            mine = [item for item in mine if item not in rows]
        return None

    return database.write(work, idempotent=True)


def _known(besides: Sequence[int]) -> frozenset[int]:
    if len(besides) > MOST_AT_ONCE:
        raise InvalidInput(f"expected at most {MOST_AT_ONCE} queries of the page, got {len(besides)}; send its newest")
    return frozenset(inputs.integer(query_id, "a query's id", 0, 2**62) for query_id in besides)


def _fill(
    session: Session,
    user_id: int,
    project: ProjectRow,
    mine: _Rows,
    known: Collection[int],
    most: int,
    at: int,
    lease: int,
) -> _Rows:
    """The rest of the group the user is at, or the next one; with what is free of it."""
    free = IN_GRID, QueryRow.id.not_in(known)
    open_to_all = project.state != "paused"
    first = mine[0][0] if mine else None
    if first is None and open_to_all:
        first = session.scalars(first_offered(user_id, project.id, at, *free).limit(1)).one_or_none()
    if first is None:
        return []
    rows = [item for item in mine if _alike(item[0], first)][:most]
    if open_to_all and len(rows) < most:
        rows += take(session, user_id, project.id, most - len(rows), at, lease, *free, *_same_group(first))
    return sorted(rows, key=lambda item: (item[0].reserve, item[0].round_id, item[0].rank, item[0].id))


def _alike(one: QueryRow, other: QueryRow) -> bool:
    return (one.group_key, one.predicted) == (other.group_key, other.predicted)


def _same_group(first: QueryRow) -> tuple[ColumnElement[bool], ...]:
    return (
        QueryRow.group_key.is_not_distinct_from(first.group_key),
        QueryRow.predicted.is_not_distinct_from(first.predicted),
    )


def _live_class(session: Session, project_id: int, position: int | None) -> int | None:
    """The class that stands at a position today: itself, the one it was merged into, or None if it is gone."""
    rows = session.scalars(select(ClassRow).where(ClassRow.project_id == project_id)).all()
    by_id = {row.id: row for row in rows}
    found = next((row for row in rows if row.position == position), None)
    while found is not None and found.retired_at is not None:
        found = by_id.get(found.merged_into_id or 0)
    return None if found is None else found.id


def _ask_singly(session: Session, rows: _Rows) -> None:
    for query, row in rows:
        query.kind, row.state = single_kind(session, query), "released"
    session.flush()


def tiles(database: Database, actor: Actor, project_id: int) -> int:
    """Return how many images wait in the grid that the actor could confirm and nobody holds.

    Raises:
        PermissionDenied: below annotator in the project.
    """

    def work(session: Session) -> int:
        authorize(session, actor, project_id, Role.annotator)
        free = offered(select(QueryRow).where(IN_GRID), actor.user_id, project_id, now(session))
        return session.scalars(select(func.count()).select_from(free.subquery())).one()

    return database.read(work)


def spot_check(session: Session, query: QueryRow, answer: Answer) -> None:
    """Ask a share of the confirmed images again singly; call it in the transaction that saves the answer."""
    if (query.kind, answer.mode, answer.outcome) != ("confirm", "grid", "class"):
        return
    project = session.get_one(ProjectRow, query.project_id)
    if not _is_checked(project.seed, query.sample_id, project.spot_check_share) or _has_check(session, query):
        return
    shown = {name: getattr(query, name) for name in _SHOWN}
    check = QueryRow(**shown, kind="spot_check", rank=_last_rank(session, query) + 1, reserve=False)
    check.state, check.slots, check.token, check.decided, check.created_at = "open", 1, 0, False, now(session)
    session.add(check)
    session.flush()


# What the page can tell about a query: a check must not stand out by missing it.
_SHOWN = ("project_id", "round_id", "sample_id", "score", "predicted", "nearest", "copy_row", "details")


def _is_checked(seed: int, sample_id: int, share: float) -> bool:
    digest = hashlib.sha256(f"spot check {seed} {sample_id}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def _has_check(session: Session, query: QueryRow) -> bool:
    """After an undo the same tile may be confirmed again; its check is asked already."""
    same = QueryRow.round_id == query.round_id, QueryRow.sample_id == query.sample_id, QueryRow.kind == "spot_check"
    return session.scalars(select(QueryRow.id).where(*same)).one_or_none() is not None


def _last_rank(session: Session, query: QueryRow) -> int:
    others = QueryRow.round_id == query.round_id, QueryRow.reserve.is_(False)
    return session.scalars(select(func.max(QueryRow.rank)).where(*others)).one() or 0
