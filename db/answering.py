"""The steps of an answer or an undo, all in one transaction: claim, annotation, label, event, round.

Rows are locked in one order everywhere: query, sample, round.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.claims import assign
from db.clock import now
from db.completion import settle
from db.consensus import majority
from db.errors import Conflict, InvalidInput, NotFound
from db.labels import live_class, resolve
from db.records import Answer, Receipt
from db.tables import (
    AnnotationEventRow,
    AnnotationRow,
    ClaimRow,
    ClassRow,
    LabelTableRow,
    ProjectRow,
    QueryRow,
    SampleRow,
)
from db.votes import NO_VOTES

FULL = "Enough others have answered this image; your answer is kept as a draft."
ANSWERED = "You have answered this image already; undo that answer to give another."
DELETED = "This image was deleted; your answer is kept as a draft."
LABELED = "This image got its label meanwhile; your answer is kept as a draft."


def repeated(session: Session, user_id: int, answer_id: str, digest: str) -> Receipt | None:
    """Return the first result of an id that was used before.

    Raises:
        Conflict: if it was used by somebody else or for something else.
    """
    statement = select(AnnotationEventRow).where(AnnotationEventRow.answer_id == answer_id)
    event = session.scalars(statement).one_or_none()
    if event is None:
        return None
    if event.user_id != user_id or event.digest != digest:
        raise Conflict(
            f"expected the same answer under the id {answer_id}, got another one; make a new id for a new answer"
        )
    return Receipt(**{**event.receipt, "repeated": True})


def digest_of(**parts: object) -> str:
    """Hash what an answer says; a repeat may differ in its times alone."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def lock_query(session: Session, project_id: int, query_id: int) -> QueryRow:
    """Lock a query and read it anew.

    Raises:
        NotFound: if the project has no such query.
    """
    statement = select(QueryRow).where(QueryRow.id == query_id, QueryRow.project_id == project_id)
    locked = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    query = session.scalars(locked).one_or_none()
    if query is None:
        raise NotFound(f"expected a query of this project, got the id {query_id}; claim again")
    return query


def require_class(session: Session, project_id: int, class_id: int | None) -> None:
    """Refuse a class of another project, or one that is no longer in use."""
    if class_id is None:
        return
    mine = ClassRow.id == class_id, ClassRow.project_id == project_id, ClassRow.retired_at.is_(None)
    held = select(ClassRow.id).where(*mine).with_for_update(read=True, key_share=True)  # a merge waits, or is seen
    if session.scalars(held).one_or_none() is None:
        raise InvalidInput(f"expected a class of this project, got the id {class_id}; reload the page")


def find_claim(session: Session, query: QueryRow, user_id: int, token: int) -> ClaimRow:
    """Return the claim that a token belongs to, whatever became of it.

    Raises:
        Conflict: if the user never had that claim.
    """
    named = ClaimRow.query_id == query.id, ClaimRow.token == token, ClaimRow.user_id == user_id
    row = session.scalars(select(ClaimRow).where(*named).execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise Conflict(f"expected the token of a claim of yours, got {token} for query {query.id}; claim again")
    return row


def standing(session: Session, query: QueryRow, user_id: int) -> AnnotationRow | None:
    """Return the user's answer to the query that stands."""
    mine = AnnotationRow.query_id == query.id, AnnotationRow.user_id == user_id, AnnotationRow.withdrawn_at.is_(None)
    return session.scalars(select(AnnotationRow).where(*mine)).one_or_none()


def why_draft(session: Session, query: QueryRow, user_id: int, *, edit: bool) -> str:
    """Say why an answer cannot count whatever the claim; empty if it can."""
    if not edit and standing(session, query, user_id) is not None:
        return ANSWERED
    sample = session.get_one(SampleRow, query.sample_id)
    if sample.deleted_at is not None or session.get_one(ProjectRow, query.project_id).deleted_at is not None:
        return DELETED
    labeled = select(LabelTableRow.id).where(LabelTableRow.sample_id == query.sample_id)
    if query.state == "withdrawn" and session.scalars(labeled).one_or_none() is not None:
        return LABELED
    return ""


def usable_claim(session: Session, query: QueryRow, row: ClaimRow, user_id: int) -> ClaimRow | None:
    """Return the claim the answer goes to: its own while nobody took it, another of the user, or a free slot."""
    if row.state == "leased":
        return row
    mine = ClaimRow.query_id == query.id, ClaimRow.user_id == user_id, ClaimRow.state == "leased"
    other = session.scalars(select(ClaimRow).where(*mine)).one_or_none()
    if other is not None:
        return other
    at = now(session)
    taken = assign(session, [query], user_id, at=at, until=at)
    return taken[0][1] if taken else None


def accept(session: Session, query: QueryRow, row: ClaimRow, answer: Answer) -> None:
    """Write the annotation, end the claim, close the query when it is full, and bring the label in line."""
    at = now(session)
    ended = "done" if answer.outcome == "class" else "passed"
    leased = update(ClaimRow).where(ClaimRow.id == row.id, ClaimRow.state == "leased").values(state=ended)
    if session.scalars(leased.returning(ClaimRow.id)).one_or_none() is None:
        raise Conflict(
            "expected a claim that is still held, got one that was given back just now; send the answer again"
        )
    fields = {name: value for name, value in asdict(answer).items() if name in _ANNOTATION_FIELDS}
    who = {"project_id": query.project_id, "sample_id": query.sample_id, "user_id": row.user_id, "claim_id": row.id}
    session.add(AnnotationRow(**fields, **who, created_at=at))
    session.flush()
    if answer.outcome == "class":
        _close_if_full(session, query, at)
        if resolve(session, query.project_id, query.sample_id) is not None:
            _spare_others(session, query, at)


_ANNOTATION_FIELDS = frozenset(AnnotationRow.__table__.columns.keys()) & frozenset(Answer.__dataclass_fields__)


def _close_if_full(session: Session, query: QueryRow, at: int) -> None:
    """Close a query that has its votes; while they are even it gets one vote more, up to the project's maximum."""
    voted = AnnotationRow.query_id == query.id, AnnotationRow.withdrawn_at.is_(None), AnnotationRow.outcome == "class"
    votes = list(session.scalars(select(AnnotationRow.class_id).where(*voted)))
    if len(votes) < query.slots:
        return
    if query.kind not in NO_VOTES and _one_more(session, query, votes):
        query.slots += 1
    else:
        query.state, query.closed_at = "closed", at
    session.flush()


def _one_more(session: Session, query: QueryRow, votes: list[int | None]) -> bool:
    most = session.get_one(ProjectRow, query.project_id).max_overlap
    if most is None or query.slots >= most:
        return False
    live = live_class(session, query.project_id)
    tally = Counter(live(class_id) for class_id in votes if class_id is not None)
    return majority(tally) is None


def _spare_others(session: Session, query: QueryRow, at: int) -> None:
    """A late answer to an older query gave the label: do not ask the newer one that nobody holds."""
    held = ClaimRow.query_id == QueryRow.id, ClaimRow.state == "leased", ClaimRow.expires_at > at
    others = (
        QueryRow.sample_id == query.sample_id,
        QueryRow.id != query.id,
        QueryRow.state == "open",
        QueryRow.kind.in_(("learn", "holdout", "confirm")),
        ~select(ClaimRow.id).where(*held).exists(),
    )
    ids = list(session.scalars(select(QueryRow.id).where(*others)))
    if ids:
        session.execute(update(QueryRow).where(QueryRow.id.in_(ids)).values(state="withdrawn", closed_at=at))


def regain(session: Session, query: QueryRow, note: AnnotationRow, lease_ms: int) -> ClaimRow | None:
    """Take an answer back for an edit; if its annotator cannot have the query again it stands as it was."""
    point = session.begin_nested()
    claim = withdraw(session, query, note, lease_ms)
    if claim is None:
        point.rollback()
    else:
        point.commit()
    return claim


def withdraw(session: Session, query: QueryRow, note: AnnotationRow, lease_ms: int) -> ClaimRow | None:
    """Take an answer back and give the query to its annotator again; None if there is no free slot for them."""
    at = now(session)
    note.withdrawn_at = at
    session.execute(
        update(ClaimRow)
        .where(ClaimRow.id == note.claim_id, ClaimRow.state.in_(("done", "passed")))
        .values(state="undone")
    )
    query.decided = False
    over = _asked_elsewhere(session, query) or reviewed(session, query.sample_id)
    if query.state == "closed" and (query.kind == "copy_check" or not over):  # a copy's check asks nothing of the image
        query.state, query.closed_at = "open", None
    session.flush()
    taken = assign(session, [query], note.user_id, at=at, until=at + lease_ms) if query.state == "open" else []
    resolve(session, query.project_id, query.sample_id)
    project = update(ProjectRow).where(ProjectRow.id == query.project_id, ProjectRow.state == "finished")
    session.execute(project.values(state="active"))
    return taken[0][1] if taken else None


def reviewed(session: Session, sample_id: int) -> bool:
    """Whether a reviewer's word stands: nobody is asked about the image any more."""
    event = AnnotationEventRow
    reviews = select(event.target_id).where(event.sample_id == sample_id, event.kind == "review")
    newest = session.execute(reviews.order_by(event.id.desc()).limit(1)).one_or_none()
    return newest is not None and newest.target_id is None


def _asked_elsewhere(session: Session, query: QueryRow) -> bool:
    label = QueryRow.kind.in_(("learn", "holdout", "confirm"))  # a check may be open beside them
    other = QueryRow.sample_id == query.sample_id, QueryRow.state == "open", QueryRow.id != query.id, label
    return session.scalars(select(QueryRow.id).where(*other).limit(1)).first() is not None


def record(
    session: Session,
    query: QueryRow,
    user_id: int,
    receipt: Receipt,
    digest: str,
    payload: Mapping[str, Any],
    **event: Any,
) -> Receipt:
    """Write the event of an answer or undo; its receipt is what repeats will get."""
    kept = {name: value for name, value in asdict(receipt).items() if name not in ("repeated", "claimed")}
    session.add(
        AnnotationEventRow(
            project_id=query.project_id,
            sample_id=query.sample_id,
            query_id=query.id,
            user_id=user_id,
            answer_id=receipt.answer_id,
            slots=query.slots,
            digest=digest,
            payload=dict(payload),
            receipt=kept,
            created_at=now(session),
            **event,
        )
    )
    session.flush()
    return receipt


def finish(session: Session, query: QueryRow, answer_id: str, message: str = "") -> Receipt:
    """Settle the round and make the receipt of an answer that counts."""
    complete = settle(session, query.round_id)
    return Receipt(
        answer_id=answer_id,
        status="saved",
        query_closed=query.state == "closed",
        round_complete=complete,
        message=message,
    )
