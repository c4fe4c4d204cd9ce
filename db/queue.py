"""Put a round's queries out, all in one transaction; doing it twice adds nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from db import inputs
from db.claims import IN_GRID, MARKED_WRONG, SENT_BACK
from db.clock import now
from db.crash_points import MID_ENQUEUE, reach
from db.engine import Database
from db.errors import InvalidInput
from db.history import read_round
from db.locking import lock_round
from db.outbox import ring
from db.pool import has_label, was_seen
from db.records import Actor, NewQuery, NewQueue, Round
from db.sql import chunks, insert_rows
from db.tables import AnnotationRow, ClaimRow, ProjectRow, QueryRow, RoundRow, SampleRow
from db.votes import NO_VOTES

_KINDS = ("learn", "holdout", "confirm")  # other checks are made when they are handed out
_COPY = "copy_check"


def enqueue(database: Database, actor: Actor, round_id: int, queue: NewQueue) -> Round:
    """Ask the round's queries and open it.

    Open queries of older rounds that nobody holds or has voted on are withdrawn (the reserve). Reserve of an older
    round that somebody holds and that is asked again moves into this round, claim and all. Samples that got a label,
    were seen or deleted, or are out with somebody otherwise are left out; the reserve makes up for them: the round's k
    is the number of learn queries outside of the reserve as asked.
    A round that is open already stays as it is.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if there is no such round.
        InvalidInput: for samples of another project or split, unknown kinds, NaN scores or repeated samples.
    """
    _check(queue)

    def work(session: Session) -> Round:
        turn = lock_round(session, actor, round_id)
        if turn.state == "preparing":
            _open(session, turn, queue)
        return read_round(session, turn)

    return database.write(work, idempotent=True)


def _check(queue: NewQueue) -> None:
    ids = [(int(query.sample_id), query.kind == _COPY) for query in queue.queries]
    if len(ids) != len(set(ids)):
        raise InvalidInput("expected each sample once in a round, got repeats; choose without replacement")
    for query in queue.queries:
        if query.kind not in (*_KINDS, _COPY):
            raise InvalidInput(
                f"expected a kind of {', '.join(_KINDS)} or {_COPY}, got {query.kind!r}; name one of them"
            )
        if query.score is not None and math.isnan(query.score):
            raise InvalidInput(f"expected a score, got NaN for sample {query.sample_id}; look at the model's outputs")


def _open(session: Session, turn: RoundRow, queue: NewQueue) -> None:
    at = now(session)
    project = session.get_one(ProjectRow, turn.project_id)
    _withdraw_older(session, turn, at)
    _bring_along(session, turn)
    splits = _splits(session, turn.project_id, queue)
    _carry_over(session, turn, queue)
    free, there = _free(session, turn.project_id, queue), _there(session, turn.project_id, queue)
    base = {"project_id": turn.project_id, "round_id": turn.id, "state": "open", "token": 0, "decided": False}
    rows = [
        {**base, "created_at": at, **_columns(query, splits[int(query.sample_id)], project.overlap)}
        for query in queue.queries
        if (int(query.sample_id) in free if query.kind != _COPY else query.sample_id in there)
    ]
    if rows:
        insert_rows(session, QueryRow, rows)
    reach(MID_ENQUEUE)
    turn.k = sum(query.kind == "learn" and not query.reserve for query in queue.queries)
    turn.strategy, turn.diagnostics = queue.strategy, inputs.plain(queue.diagnostics, "diagnostics")
    turn.state, turn.opened_at = "open", at
    ring(session, "round_open", turn.project_id, {"round_id": turn.id, "number": turn.number, "queries": len(rows)})
    session.flush()


def _withdraw_older(session: Session, turn: RoundRow, at: int) -> None:
    """Lock first, then look who holds or has voted: a claim under way keeps its query."""
    older = QueryRow.project_id == turn.project_id, QueryRow.state == "open", QueryRow.round_id != turn.id
    locked = (
        select(QueryRow.id)
        .where(*older, ~_owed())
        .order_by(QueryRow.id)
        .with_for_update(skip_locked=True, key_share=True)
    )
    ids = list(session.scalars(locked))
    for part in chunks(ids):
        held = ClaimRow.query_id == QueryRow.id, ClaimRow.state == "leased", ClaimRow.expires_at > at
        voted = (
            AnnotationRow.query_id == QueryRow.id,
            AnnotationRow.withdrawn_at.is_(None),
            AnnotationRow.outcome == "class",
            QueryRow.kind.not_in(NO_VOTES),
        )
        idle = ~select(ClaimRow.id).where(*held).exists(), ~select(AnnotationRow.id).where(*voted).exists()
        gone = list(session.scalars(select(QueryRow.id).where(QueryRow.id.in_(part), *idle)))
        session.execute(update(QueryRow).where(QueryRow.id.in_(gone)).values(state="withdrawn", closed_at=at))
        leased = ClaimRow.query_id.in_(gone), ClaimRow.state == "leased"
        session.execute(update(ClaimRow).where(*leased).values(state="expired"))


def _owed() -> ColumnElement[bool]:
    """What is to be asked whatever the round: the grid's checks, tiles that were marked, what a reviewer sent back."""
    return or_(QueryRow.kind == "spot_check", MARKED_WRONG, SENT_BACK)


def _bring_along(session: Session, turn: RoundRow) -> None:
    """What is owed comes along, its old round is over; also tiles with some of their votes."""
    older = QueryRow.project_id == turn.project_id, QueryRow.state == "open", QueryRow.round_id != turn.id
    left = or_(MARKED_WRONG, IN_GRID, SENT_BACK)
    session.execute(update(QueryRow).where(*older, left).values(round_id=turn.id))


def _carry_over(session: Session, turn: RoundRow, queue: NewQueue) -> None:
    """Move held reserve that is asked again into this round: nobody's screen changes, and it takes its new rank."""
    again = {int(query.sample_id): query for query in queue.queries if query.kind == "learn"}
    seen = select(AnnotationRow.id).where(AnnotationRow.query_id == QueryRow.id).exists()
    older = QueryRow.project_id == turn.project_id, QueryRow.round_id != turn.id, QueryRow.state == "open"
    held = select(QueryRow).where(*older, QueryRow.reserve, QueryRow.kind == "learn", ~seen)
    for part in chunks(list(again)):
        for row in session.scalars(held.where(QueryRow.sample_id.in_(part))).all():
            new = again[row.sample_id]
            row.round_id, row.rank, row.reserve = turn.id, int(new.rank), bool(new.reserve)
            row.score = None if new.score is None else float(new.score)
            row.predicted, row.nearest = _position(new.predicted), _position(new.nearest)
            row.copy_row = None if new.copy_row is None else int(new.copy_row)
            row.details = None if new.details is None else inputs.plain(new.details, "details")
    session.flush()


def _splits(session: Session, project_id: int, queue: NewQueue) -> dict[int, str]:
    found: dict[int, str] = {}
    for part in chunks([int(query.sample_id) for query in queue.queries]):
        mine = SampleRow.project_id == project_id, SampleRow.id.in_(part)
        found.update(session.execute(select(SampleRow.id, SampleRow.split).where(*mine)).tuples().all())
    for query in queue.queries:
        split = found.get(int(query.sample_id))
        if split not in ("pool", "holdout") or (split == "pool" and query.kind == "holdout"):
            where = f"of the split {split!r}" if split else "of no sample of this project"
            raise InvalidInput(f"expected a sample to ask as {query.kind!r}, got the id {query.sample_id} {where}")
    return found


def _free(session: Session, project_id: int, queue: NewQueue) -> set[int]:
    asked = select(QueryRow.id).where(
        QueryRow.sample_id == SampleRow.id, QueryRow.state == "open", QueryRow.kind.in_(_KINDS)
    )
    live = SampleRow.project_id == project_id, SampleRow.deleted_at.is_(None)
    base = select(SampleRow.id).where(*live, ~has_label(), ~was_seen(), ~asked.exists())
    parts = chunks([int(query.sample_id) for query in queue.queries if query.kind != _COPY])
    return {sample_id for part in parts for sample_id in session.scalars(base.where(SampleRow.id.in_(part)))}


def _there(session: Session, project_id: int, queue: NewQueue) -> set[int]:
    """Samples whose copy can be shown: they are in the project still, whatever became of their own queries."""
    live = select(SampleRow.id).where(SampleRow.project_id == project_id, SampleRow.deleted_at.is_(None))
    parts = chunks([int(query.sample_id) for query in queue.queries if query.kind == _COPY])
    return {sample_id for part in parts for sample_id in session.scalars(live.where(SampleRow.id.in_(part)))}


def _columns(query: NewQuery, split: str, overlap: int) -> Mapping[str, Any]:
    kind = "holdout" if split == "holdout" and query.kind == "learn" else query.kind
    return {
        "sample_id": int(query.sample_id),
        "kind": kind,
        "rank": int(query.rank),
        "reserve": bool(query.reserve),
        "slots": 1 if kind == _COPY else inputs.integer(int(query.slots or overlap), "slots", 1, 100),
        "score": None if query.score is None else float(query.score),
        "predicted": _position(query.predicted),
        "nearest": _position(query.nearest),
        "copy_row": None if query.copy_row is None else int(query.copy_row),
        "group_key": None if query.group is None else inputs.name(query.group, "a group"),
        "details": None if query.details is None else inputs.plain(query.details, "details"),
    }


def _position(value: int | None) -> int | None:
    """A class position; strategies write -1 for none."""
    return None if value is None or int(value) < 0 else int(value)
