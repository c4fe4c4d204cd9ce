"""Tiles that were marked as wrong: they are asked singly, anybody, and a mark can be taken back while nobody did.

A mark leaves an event and no annotation: a pass would keep the image from the person who saw most about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session, aliased

from db import answering
from db.claims import assign
from db.clock import now
from db.errors import NotFound
from db.records import Answer, Receipt
from db.tables import AnnotationEventRow, AnnotationRow, ClaimRow, QueryRow, SampleRow

GONE = "This image is no longer asked in the grid; your mark is kept aside."
ASKED_SINGLY = "Taken back; this image is asked singly by now."


def is_rejection(answer: Answer) -> bool:
    """Whether an answer says of a tile that it is not of its group's class."""
    return answer.mode == "grid" and answer.outcome == "skip" and answer.supersedes is None


def single_kind(session: Session, query: QueryRow) -> str:
    """Return what a query is when it is asked singly."""
    if query.kind != "confirm":
        return query.kind
    return "holdout" if session.get_one(SampleRow, query.sample_id).split == "holdout" else "learn"


def reject(session: Session, query: QueryRow, user_id: int, answer: Answer, digest: str) -> Receipt:
    """Ask a tile that was marked wrong singly, anybody, this person too; call it with the query locked and open."""
    mine = ClaimRow.query_id == query.id, ClaimRow.user_id == user_id, ClaimRow.state == "leased"
    session.execute(update(ClaimRow).where(*mine).values(state="released"))
    query.kind = single_kind(session, query)
    session.flush()
    receipt = answering.finish(session, query, answer.answer_id)
    event = {"kind": "answer", "counts": False, "outcome": answer.outcome}
    return answering.record(session, query, user_id, receipt, digest, asdict(answer), **event)


def was_rejected(session: Session, query: QueryRow, answer_id: str) -> bool:
    """Whether an answer of that id, which is in the history, was a mark in the grid."""
    return session.scalars(_marks(query).where(AnnotationEventRow.answer_id == answer_id)).first() is not None


def take_back(
    session: Session, query: QueryRow, user_id: int, undo_id: str, answer_id: str, digest: str, lease_ms: int
) -> Receipt:
    """Make a marked tile one to confirm again, the actor's, unless it is answered or looked at singly by now.

    Raises:
        NotFound: if that mark was taken back before.
    """
    undone = AnnotationEventRow.kind == "undo", AnnotationEventRow.target_id == answer_id
    if session.scalars(select(AnnotationEventRow.id).where(*undone).limit(1)).first() is not None:
        raise NotFound(f"expected an answer of yours that stands, got {answer_id}; it was taken back before")
    event: Mapping[str, Any] = {"kind": "undo", "counts": False, "target_id": None}
    message = ASKED_SINGLY
    if _is_free(session, query, user_id):
        query.kind, message = "confirm", ""
        session.flush()
        _give(session, query, user_id, lease_ms)
        event = {**event, "target_id": answer_id}
    receipt = answering.finish(session, query, undo_id, message)
    return answering.record(session, query, user_id, receipt, digest, {"undo": answer_id}, **event)


def _marks(query: QueryRow) -> Select[tuple[int]]:
    """Events of a query that are marks: unlike a skip, in single mode or of gold, they left no annotation."""
    event = AnnotationEventRow
    noted = select(AnnotationRow.id).where(AnnotationRow.answer_id == event.answer_id)
    mark = event.query_id == query.id, event.kind == "answer", event.outcome == "skip", event.counts.is_(False)
    return select(event.id).where(*mark, ~noted.exists())


def _is_free(session: Session, query: QueryRow, user_id: int) -> bool:
    """Whether nobody saw the tile singly, and nobody else marks it as wrong, too."""
    if query.state != "open" or query.kind == "confirm" or query.group_key is None:
        return False
    later = aliased(AnnotationEventRow)
    undone = select(later.id).where(later.kind == "undo", later.target_id == AnnotationEventRow.answer_id)
    others = (
        _marks(query).where(AnnotationEventRow.user_id != user_id, ~undone.exists()),
        select(AnnotationRow.id).where(AnnotationRow.query_id == query.id, AnnotationRow.withdrawn_at.is_(None)),
        select(ClaimRow.id).where(
            *(ClaimRow.query_id == query.id, ClaimRow.user_id != user_id),
            *(ClaimRow.state == "leased", ClaimRow.expires_at > now(session)),
        ),
    )
    return all(session.scalars(statement.limit(1)).first() is None for statement in others)


def _give(session: Session, query: QueryRow, user_id: int, lease_ms: int) -> None:
    """Claim a tile for its annotator, who may hold it singly already."""
    until = now(session) + lease_ms
    mine = ClaimRow.query_id == query.id, ClaimRow.user_id == user_id, ClaimRow.state == "leased"
    held = session.scalars(update(ClaimRow).where(*mine).values(expires_at=until).returning(ClaimRow.id)).all()
    if not held:
        assign(session, [query], user_id, at=now(session), until=until)
