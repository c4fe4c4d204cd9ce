"""Answers taken back for somebody: of an excluded person, of a class that is removed. History keeps all of them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.answering import lock_query, reviewed
from db.clock import now
from db.completion import settle
from db.labels import resolve
from db.sql import chunks
from db.tables import AnnotationEventRow, AnnotationRow, ClaimRow, ProjectRow, QueryRow, RoundRow
from db.votes import NO_VOTES, is_about_the_image
from db.workforce import who_may_answer

_ASKS_FOR_A_LABEL = ("learn", "holdout", "confirm")


def take_back(session: Session, project_id: int, ids: Iterable[int], actor_id: int, reason: str) -> int:
    """Withdraw annotations by id that stand; returns how many did.

    Each leaves a 'withdraw' event, its claim is free, its label is resolved anew, and its query is asked again where
    that is of use (see `_ask_again`). Rounds that became incomplete go on.
    """
    people, done = who_may_answer(session, project_id), 0
    for part in chunks(sorted(ids)):
        statement = select(AnnotationRow).where(AnnotationRow.id.in_(part), AnnotationRow.withdrawn_at.is_(None))
        for note in session.scalars(statement.order_by(AnnotationRow.query_id, AnnotationRow.id)).all():
            _withdraw(session, note, people, actor_id, reason)
            done += 1
    settle_open(session, project_id)
    if done:
        finished = update(ProjectRow).where(ProjectRow.id == project_id, ProjectRow.state == "finished")
        session.execute(finished.values(state="active"))
    return done


def settle_open(session: Session, project_id: int) -> None:
    """Look whether the round that people are at is complete now, or no longer is."""
    out = RoundRow.project_id == project_id, RoundRow.state == "open"
    for round_id in session.scalars(select(RoundRow.id).where(*out)).all():
        settle(session, round_id)


def _withdraw(session: Session, note: AnnotationRow, people: set[int], actor_id: int, reason: str) -> None:
    query = lock_query(session, note.project_id, note.query_id)
    at = note.withdrawn_at = now(session)
    ended = update(ClaimRow).where(ClaimRow.id == note.claim_id, ClaimRow.state.in_(("done", "passed")))
    session.execute(ended.values(state="undone"))
    _event(session, query, actor_id, at, kind="withdraw", target_id=note.answer_id, payload={"reason": reason})
    query.decided = False
    session.flush()
    _ask_again(session, query, people, actor_id, at)
    session.flush()
    resolve(session, query.project_id, query.sample_id)


def _ask_again(session: Session, query: QueryRow, people: set[int], actor_id: int, at: int) -> None:
    """Open a query that lacks a vote now.

    Where no vote of others is left and the query's round is over, the sample goes back to the pool instead, and the
    model says if it is worth asking: thousands of old queries would stand before the round that people are at. Where
    nobody is left to give the missing vote, the votes there are decide, as at the end of a round.
    """
    if query.state != "closed" or query.kind not in _ASKS_FOR_A_LABEL or _asked_elsewhere(session, query):
        return
    if reviewed(session, query.sample_id):
        return
    standing = AnnotationRow.sample_id == query.sample_id, AnnotationRow.withdrawn_at.is_(None), is_about_the_image()
    others = set(session.scalars(select(AnnotationRow.user_id).where(*standing)))
    over = session.get_one(RoundRow, query.round_id).state == "closed"
    if not over or (others and people - others):
        query.state, query.closed_at = "open", None
    elif others:
        query.decided = True
        _event(session, query, actor_id, at, kind="decide", target_id=None, payload={})


def _asked_elsewhere(session: Session, query: QueryRow) -> bool:
    other = (
        QueryRow.sample_id == query.sample_id,
        QueryRow.state == "open",
        QueryRow.id != query.id,
        QueryRow.kind.in_(_ASKS_FOR_A_LABEL),
    )
    return session.scalars(select(QueryRow.id).where(*other).limit(1)).first() is not None


def _event(
    session: Session,
    query: QueryRow,
    actor_id: int,
    at: int,
    *,
    kind: str,
    target_id: str | None,
    payload: dict[str, str],
) -> None:
    session.add(
        AnnotationEventRow(
            project_id=query.project_id,
            sample_id=query.sample_id,
            query_id=query.id,
            user_id=actor_id,
            kind=kind,
            target_id=target_id,
            counts=query.kind not in NO_VOTES,
            slots=query.slots,
            digest="",
            payload=payload,
            receipt={},
            created_at=at,
        )
    )
