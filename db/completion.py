"""When a round is over: it gained its labels, or nothing that is left of it can be answered.

The grid neither ends a round early nor holds it open: its tiles, its checks, and images that were marked as wrong there
and are asked singly are beside the k that the round asks for. What is left of them comes along into the next round.

A pass (skip, unsure, flag) waits only for others who are at work now, so that one annotator alone is never blocked; a
missing second vote waits for anybody of the project who has not voted.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from db import webhooks
from db.claims import MARKED_WRONG
from db.clock import now
from db.copy_answers import checks_of_round
from db.labels import resolve
from db.outbox import ring
from db.tables import (
    AnnotationEventRow,
    AnnotationRow,
    ClaimRow,
    LabelTableRow,
    QueryRow,
    RoundRow,
)
from db.votes import NO_VOTES, is_about_the_image
from db.workforce import who_may_answer

ACTIVE_MS = 3_600_000  # who claimed or answered within the last hour is at work
_WAITED_FOR = and_(QueryRow.kind.in_(("learn", "holdout")), ~MARKED_WRONG)


def gained(session: Session, round_id: int) -> int:
    """Labels that the round's learn queries brought so far, the reserve's included."""
    statement = (
        select(func.count(QueryRow.id))
        .join(LabelTableRow, LabelTableRow.sample_id == QueryRow.sample_id)
        .where(QueryRow.round_id == round_id, QueryRow.kind == "learn", ~MARKED_WRONG, QueryRow.state == "closed")
    )
    return session.scalars(statement).one()


def is_complete(session: Session, turn: RoundRow) -> bool:
    """Whether the next round should run."""
    if 0 < turn.k <= gained(session, turn.id):
        return True
    return not _fresh_left(session, turn.id) and not any(_answerable(session, turn))


def settle(session: Session, round_id: int) -> bool:
    """Ring once when a round has become complete, take it back when an undo reopened it; returns whether it is."""
    statement = select(RoundRow).where(RoundRow.id == round_id).with_for_update(key_share=True)
    turn = session.scalars(statement.execution_options(populate_existing=True)).one()
    if turn.state != "open":
        return False
    complete = is_complete(session, turn)
    if complete and turn.completed_at is None:
        turn.completed_at = now(session)
        ring(session, "round_complete", turn.project_id, {"round_id": turn.id, "number": turn.number})
    elif not complete:
        turn.completed_at = None
    session.flush()
    return complete


def close_round(session: Session, turn: RoundRow, user_id: int) -> None:
    """Close a complete round: what nobody can finish is decided by the votes there are, or set aside without any."""
    for query_id in _seen(session, turn.id):
        _end(session, query_id, user_id)
    if found := checks_of_round(session, turn.id):
        turn.diagnostics = {**turn.diagnostics, **found}
    turn.state, turn.closed_at = "closed", now(session)
    session.flush()


def _end(session: Session, query_id: int, user_id: int) -> None:
    statement = select(QueryRow).where(QueryRow.id == query_id).with_for_update(key_share=True)
    query = session.scalars(statement.execution_options(populate_existing=True)).one()
    if query.state != "open" or _still_answerable(session, query):
        return
    query.state, query.closed_at = "closed", now(session)
    voted = AnnotationRow.query_id == query_id, AnnotationRow.withdrawn_at.is_(None), AnnotationRow.outcome == "class"
    if session.scalars(select(AnnotationRow.id).where(*voted).limit(1)).first() is None:
        session.flush()
        webhooks.announce_query(session, query)
        return
    query.decided = True
    session.add(
        AnnotationEventRow(
            project_id=query.project_id,
            sample_id=query.sample_id,
            query_id=query_id,
            user_id=user_id,
            kind="decide",
            counts=query.kind not in NO_VOTES,
            slots=query.slots,
            digest="",
            payload={},
            receipt={},
            created_at=query.closed_at,
        )
    )
    session.flush()
    resolve(session, query.project_id, query.sample_id)
    webhooks.announce_query(session, query)


def _fresh_left(session: Session, round_id: int) -> bool:
    standing = AnnotationRow.sample_id == QueryRow.sample_id, AnnotationRow.withdrawn_at.is_(None), is_about_the_image()
    untouched = select(QueryRow.id).where(
        QueryRow.round_id == round_id,
        QueryRow.state == "open",
        _WAITED_FOR,
        ~select(AnnotationRow.id).where(*standing).exists(),
    )
    return session.scalars(untouched.limit(1)).first() is not None


def _seen(session: Session, round_id: int, *which: ColumnElement[bool]) -> list[int]:
    """Open queries with an answer; gold and copy checks ask for no label, a check of the grid outlives its round."""
    standing = AnnotationRow.sample_id == QueryRow.sample_id, AnnotationRow.withdrawn_at.is_(None), is_about_the_image()
    seen = select(QueryRow.id).where(
        QueryRow.round_id == round_id,
        QueryRow.state == "open",
        QueryRow.kind.not_in((*NO_VOTES, "spot_check")),
        *which,
        select(AnnotationRow.id).where(*standing).exists(),
    )
    return list(session.scalars(seen.order_by(QueryRow.id)))


def _answerable(session: Session, turn: RoundRow) -> Iterable[bool]:
    for query_id in _seen(session, turn.id, _WAITED_FOR):
        yield _still_answerable(session, session.get_one(QueryRow, query_id))


def _still_answerable(session: Session, query: QueryRow) -> bool:
    at = now(session)
    leased = ClaimRow.query_id == query.id, ClaimRow.state == "leased", ClaimRow.expires_at > at
    if session.scalars(select(ClaimRow.id).where(*leased).limit(1)).first() is not None:
        return True
    standing = AnnotationRow.sample_id == query.sample_id, AnnotationRow.withdrawn_at.is_(None), is_about_the_image()
    seen = session.execute(select(AnnotationRow.user_id, AnnotationRow.outcome).where(*standing)).all()
    others = who_may_answer(session, query.project_id) - {user_id for user_id, _ in seen}
    if any(outcome != "class" for _, outcome in seen):
        others &= _at_work(session, query.project_id, at)
    return bool(others)


def _at_work(session: Session, project_id: int, at: int) -> set[int]:
    claimed = (
        select(ClaimRow.user_id)
        .join(QueryRow, QueryRow.id == ClaimRow.query_id)
        .where(QueryRow.project_id == project_id, ClaimRow.claimed_at > at - ACTIVE_MS)
    )
    answered = select(AnnotationRow.user_id).where(
        AnnotationRow.project_id == project_id, AnnotationRow.created_at > at - ACTIVE_MS
    )
    return set(session.scalars(claimed.union(answered)))
