"""What reviewers decide: it wins over all votes, and every decision stays in the history.

Rows are locked in the order that answers lock them: queries, sample, round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db import gold, inputs, webhooks
from db.access import authorize
from db.answering import digest_of, require_class
from db.clock import now
from db.completion import settle
from db.engine import Database
from db.errors import Conflict, NotFound
from db.labels import resolve
from db.outbox import ring
from db.records import Actor, Decision, Role
from db.review_queue import ASKS, next_items, ties, waiting
from db.review_votes import votes_of
from db.sql import chunks
from db.tables import (
    AnnotationEventRow,
    AnnotationRow,
    ClaimRow,
    LabelTableRow,
    ProjectRow,
    QueryRow,
    RoundRow,
    SampleRow,
)
from db.votes import NO_VOTES

__all__ = ["decide", "decide_ties", "next_items", "send_back", "ties", "votes_of", "waiting"]

_NO_LONGER = (*ASKS, "spot_check")
_LONGEST_NOTE = 10_000
_TIES_AT_ONCE = 100
_Fields = dict[str, Any]


def decide(
    database: Database,
    actor: Actor,
    project_id: int,
    decision_id: str,
    sample_id: int,
    class_id: int | None,
    note: str = "",
) -> Decision:
    """Give an image its class, or say that it cannot be used (`class_id` None: no label, never asked again).

    The decision replaces an earlier one. Nobody is asked about the image any more. The same id with the same decision
    returns the first result with `repeated`.

    Raises:
        PermissionDenied: below reviewer in the project.
        NotFound: if the project has no such image.
        InvalidInput: for a class of another project or one that is no longer in use.
        Conflict: if the id was used for another decision.
    """
    decision_id, note = _checked(decision_id, sample_id, note)
    outcome = "skip" if class_id is None else "class"
    digest = digest_of(review=sample_id, class_id=class_id, note=note)

    def work(session: Session) -> Decision:
        authorize(session, actor, project_id, Role.reviewer)
        queries = _locked(session, project_id, sample_id)
        if (first := _repeated(session, actor.user_id, decision_id, digest)) is not None:
            return first
        require_class(session, project_id, class_id)
        about: _Fields = {"project_id": project_id, "sample_id": sample_id, "user_id": actor.user_id}
        what: _Fields = {"kind": "review", "outcome": outcome, "class_id": class_id, "counts": class_id is not None}
        receipt = {"label": class_id}
        _event(session, **about, **what, answer_id=decision_id, digest=digest, note=note, receipt=receipt)
        label = resolve(session, project_id, sample_id)
        gold.follow(session, project_id, sample_id, class_id)
        _ask_no_more(session, queries)
        _settle(session, queries)
        ring(session, "reviewed", project_id, {"sample_id": sample_id, "class_id": class_id})
        return Decision(decision_id=decision_id, sample_id=sample_id, label=label)

    return database.write(work, idempotent=True)


def send_back(
    database: Database, actor: Actor, project_id: int, decision_id: str, sample_id: int, note: str = ""
) -> Decision:
    """Ask an image again, of the same people too: its answers are withdrawn, an earlier review is taken back.

    The image goes to the front of the round that is open, or of the next one; the note is kept in the history and with
    the query's details ('comment'), and shown to whoever is asked.

    Raises:
        PermissionDenied: below reviewer in the project.
        NotFound: if the project has no such image.
        Conflict: if the image was never asked, or the id was used for another decision.
    """
    decision_id, note = _checked(decision_id, sample_id, note)
    digest = digest_of(send_back=sample_id, note=note)

    def work(session: Session) -> Decision:
        authorize(session, actor, project_id, Role.reviewer)
        queries = _locked(session, project_id, sample_id)
        if (first := _repeated(session, actor.user_id, decision_id, digest)) is not None:
            return first
        asked = [query for query in queries if query.kind in ASKS]
        about: _Fields = {"project_id": project_id, "sample_id": sample_id, "user_id": actor.user_id}
        taken_back = _taken_back(session, queries, sample_id)
        if not asked or not taken_back:
            raise Conflict(f"expected an image with answers to send back, got the sample {sample_id}; decide on it")
        named: _Fields = {"answer_id": decision_id, "digest": digest, "note": note, "receipt": {"label": None}}
        for event in taken_back:
            _event(session, **about, counts=False, **event, **named)
            named = {"answer_id": None, "digest": "", "note": "", "receipt": {}}
        _ask_again(session, asked, note)
        label = resolve(session, project_id, sample_id)
        gold.follow(session, project_id, sample_id, label)
        active = update(ProjectRow).where(ProjectRow.id == project_id, ProjectRow.state == "finished")
        session.execute(active.values(state="active"))
        _settle(session, queries)
        ring(session, "sent_back", project_id, {"sample_id": sample_id})
        return Decision(decision_id=decision_id, sample_id=sample_id, label=label)

    return database.write(work, idempotent=True)


def decide_ties(
    database: Database,
    actor: Actor,
    project_id: int,
    verdicts: Mapping[int, int],
    why: Mapping[int, Mapping[str, Any]],
) -> list[int]:
    """Decide images whose votes are even by a class that the annotators' records make likely; for the flow.

    An image that was decided, reviewed, labeled or asked again meanwhile is left alone, so that a second run adds
    nothing.

    Args:
        database: the store.
        actor: the system's.
        project_id: the project.
        verdicts: sample id -> class id.
        why: sample id -> figures to keep with the event.

    Returns:
        The ids of the images that got a label by it.

    Raises:
        PermissionDenied: below administrator in the project.
        InvalidInput: for a class of another project.
    """
    decided: list[int] = []
    for part in chunks(sorted(verdicts), _TIES_AT_ONCE):

        def work(session: Session, part: Sequence[int] = part) -> list[int]:
            authorize(session, actor, project_id, Role.administrator)
            tie = partial(_decide_tie, session, actor.user_id, project_id)
            return [item for item in part if tie(item, verdicts[item], why.get(item, {}))]

        decided += database.write(work, idempotent=True)
    return decided


def _decide_tie(
    session: Session, user_id: int, project_id: int, sample_id: int, class_id: int, why: Mapping[str, Any]
) -> bool:
    queries = _locked(session, project_id, sample_id)
    require_class(session, project_id, class_id)
    asked = [query for query in queries if query.kind in ASKS]
    reviewed = AnnotationEventRow.sample_id == sample_id, AnnotationEventRow.kind == "review"
    settled = (
        select(LabelTableRow.id).where(LabelTableRow.sample_id == sample_id),
        select(AnnotationEventRow.id).where(*reviewed).limit(1),
    )
    if not asked or any(query.state == "open" for query in asked):
        return False
    if any(session.scalars(statement).first() is not None for statement in settled):
        return False
    query = max(asked, key=lambda query: query.id)
    about: _Fields = {"project_id": project_id, "sample_id": sample_id, "user_id": user_id, "query_id": query.id}
    _event(session, **about, kind="decide", class_id=class_id, counts=True, slots=query.slots, payload=why)
    label = resolve(session, project_id, sample_id)
    _settle(session, queries)
    return label is not None


def _checked(decision_id: str, sample_id: int, note: str) -> tuple[str, str]:
    inputs.integer(sample_id, "sample_id", 0, 2**62)
    return inputs.answer_id(decision_id, "a decision's id"), inputs.body(note, "a note", longest=_LONGEST_NOTE)


def _locked(session: Session, project_id: int, sample_id: int) -> list[QueryRow]:
    """Lock an image's queries, then the image; returns the queries, oldest first.

    Raises:
        NotFound: if the project has no such image.
    """
    mine = QueryRow.sample_id == sample_id, QueryRow.project_id == project_id
    statement = select(QueryRow).where(*mine).order_by(QueryRow.id).with_for_update(key_share=True)
    queries = list(session.scalars(statement.execution_options(populate_existing=True)))
    live = SampleRow.id == sample_id, SampleRow.project_id == project_id, SampleRow.deleted_at.is_(None)
    if session.scalars(select(SampleRow.id).where(*live).with_for_update(key_share=True)).one_or_none() is None:
        raise NotFound(f"expected an image of this project, got the id {sample_id}; it may have been deleted")
    return queries


def _repeated(session: Session, user_id: int, decision_id: str, digest: str) -> Decision | None:
    found = select(AnnotationEventRow).where(AnnotationEventRow.answer_id == decision_id)
    event = session.scalars(found).one_or_none()
    if event is None:
        return None
    if event.user_id != user_id or event.digest != digest:
        raise Conflict(f"expected the same decision under the id {decision_id}, got another; make a new id for it")
    return Decision(decision_id=decision_id, sample_id=event.sample_id, label=event.receipt.get("label"), repeated=True)


def _event(
    session: Session, *, note: str = "", payload: Mapping[str, Any] | None = None, digest: str = "", **fields: Any
) -> None:
    kept = inputs.plain({**(payload or {}), **({"note": note} if note else {})}, "a decision's figures")
    fields = {"receipt": {}, **fields}
    session.add(AnnotationEventRow(**fields, digest=digest, payload=kept, created_at=now(session)))
    session.flush()


def _ask_no_more(session: Session, queries: Sequence[QueryRow]) -> None:
    at = now(session)
    ended = [query for query in queries if query.state == "open" and query.kind in _NO_LONGER]
    for query in ended:
        query.state, query.closed_at = ("closed" if query.kind in ASKS else "withdrawn"), at
    session.flush()
    for query in ended:
        if query.state == "closed":
            webhooks.announce_query(session, query)
    leased = ClaimRow.query_id.in_([query.id for query in ended]), ClaimRow.state == "leased"
    session.execute(update(ClaimRow).where(*leased).values(state="released"))


def _taken_back(session: Session, queries: Sequence[QueryRow], sample_id: int) -> list[dict[str, Any]]:
    """Withdraw the answers that stand; returns the events of it, the review's included if one holds."""
    at, events = now(session), []
    votes = [query.id for query in queries if query.kind not in NO_VOTES]
    standing = AnnotationRow.query_id.in_(votes), AnnotationRow.withdrawn_at.is_(None)
    for note in session.scalars(select(AnnotationRow).where(*standing).order_by(AnnotationRow.id)):
        note.withdrawn_at = at
        ended = ClaimRow.id == note.claim_id, ClaimRow.state.in_(("done", "passed"))
        session.execute(update(ClaimRow).where(*ended).values(state="undone"))
        events.append({"kind": "withdraw", "query_id": note.query_id, "target_id": note.answer_id})
    reviews = AnnotationEventRow.sample_id == sample_id, AnnotationEventRow.kind == "review"
    newest = select(AnnotationEventRow).where(*reviews).order_by(AnnotationEventRow.id.desc()).limit(1)
    review = session.scalars(newest).one_or_none()
    if review is not None and review.target_id is None:
        events.append({"kind": "review", "query_id": None, "target_id": review.answer_id})
    session.flush()
    return events


def _ask_again(session: Session, asked: Sequence[QueryRow], note: str) -> None:
    """Open one query again, first in the round that is open: in a closed one it would soon be withdrawn."""
    query = next((query for query in asked if query.state == "open"), asked[-1])
    taken = {(other.round_id, other.kind) for other in asked if other is not query}
    if query.kind == "confirm" and (query.round_id, "learn") not in taken:
        query.kind, query.group_key = "learn", None
    current = RoundRow.project_id == query.project_id, RoundRow.state == "open"
    turn = session.scalars(select(RoundRow.id).where(*current)).one_or_none()
    if turn is not None and (turn, query.kind) not in taken:
        query.round_id = turn
    query.state, query.closed_at, query.decided, query.reserve, query.rank = "open", None, False, False, 0
    query.details = {**(query.details or {}), "sent_back": True, "comment": note}
    session.flush()


def _settle(session: Session, queries: Sequence[QueryRow]) -> None:
    for round_id in sorted({query.round_id for query in queries}):
        settle(session, round_id)
