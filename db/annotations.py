"""Answers: saved means committed, a repeat returns the first result, nothing is ever overwritten."""

from __future__ import annotations

from dataclasses import asdict, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from db import answering, grid, grid_marks, inputs, webhooks
from db.access import authorize
from db.claims import LEASE_SECONDS, describe
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound
from db.records import Actor, Answer, Receipt, RecentAnswer, Role
from db.tables import AnnotationEventRow, AnnotationRow, ClaimRow, ProjectRow, QueryRow
from db.votes import NO_VOTES

__all__ = ["Answer", "Receipt", "recent", "submit", "undo"]

_OUTCOMES = ("class", "skip", "unsure", "flag")
_MODES = ("single", "grid")
_MOST_MS = 2**53


def submit(database: Database, actor: Actor, project_id: int, answer: Answer) -> Receipt:
    """Save an answer with everything that follows from it, in one transaction.

    The same id with the same answer returns the first result with `repeated`. A late answer (lease over, query given
    to somebody else) takes a free slot; if there is none it is kept as a draft, without effect. An edit names the
    earlier answer in `supersedes` and carries that one's token: it is withdrawn in the same transaction, or stands
    if the new one can only be a draft.

    Raises:
        PermissionDenied: below annotator in the project.
        Conflict: if the id was used for another answer, or the token belongs to no claim of the actor.
        NotFound: if the project has no such query, or the actor no standing answer of the id in `supersedes`.
        InvalidInput: for a class of another project or values out of range.
    """
    answer = _checked(answer)
    digest = answering.digest_of(
        query=answer.query_id,
        outcome=answer.outcome,
        class_id=answer.class_id,
        note=answer.note,
        supersedes=answer.supersedes,
    )

    def work(session: Session) -> Receipt:
        authorize(session, actor, project_id, Role.annotator)
        query = answering.lock_query(session, project_id, answer.query_id)  # first: a repeat may be on its way in
        if (first := answering.repeated(session, actor.user_id, answer.answer_id, digest)) is not None:
            return first
        return _save(session, actor.user_id, query, answer, digest)

    return database.write(work, idempotent=True)


def _save(session: Session, user_id: int, query: QueryRow, answer: Answer, digest: str) -> Receipt:
    answering.require_class(session, query.project_id, answer.class_id)
    claim: ClaimRow | None = answering.find_claim(session, query, user_id, answer.token)
    reason = answering.why_draft(session, query, user_id, edit=answer.supersedes is not None)
    if answer.supersedes is not None and not reason:
        note = _own_answer(session, user_id, query.project_id, answer.supersedes)
        if note.query_id != query.id:
            raise Conflict("expected an earlier answer to the same query, got one to another; edit that query")
        claim = answering.regain(session, query, note, 1000 * LEASE_SECONDS)
    if grid_marks.is_rejection(answer):
        reason = reason or ("" if query.state == "open" else grid_marks.GONE)
        if not reason:
            return grid_marks.reject(session, query, user_id, answer, digest)
    if claim is not None and not reason:
        claim = answering.usable_claim(session, query, claim, user_id)
    if claim is None or reason:
        draft = Receipt(answer_id=answer.answer_id, status="draft", message=reason or answering.FULL)
        return _event(session, query, user_id, answer, draft, digest, "draft")
    answering.accept(session, query, claim, answer)
    grid.spot_check(session, query, answer)
    if query.kind not in NO_VOTES:
        webhooks.announce_answer(session, query, user_id, answer)
    receipt = answering.finish(session, query, answer.answer_id)
    return _event(session, query, user_id, answer, receipt, digest, "answer")


def _event(
    session: Session, query: QueryRow, user_id: int, answer: Answer, receipt: Receipt, digest: str, kind: str
) -> Receipt:
    counts = kind == "answer" and query.kind not in NO_VOTES
    what = {"outcome": answer.outcome, "class_id": answer.class_id, "target_id": answer.supersedes}
    return answering.record(session, query, user_id, receipt, digest, asdict(answer), kind=kind, counts=counts, **what)


def undo(
    database: Database,
    actor: Actor,
    project_id: int,
    undo_id: str,
    answer_id: str,
    lease_seconds: int = LEASE_SECONDS,
) -> Receipt:
    """Take an own answer back: its label is withdrawn and the query is the actor's again, in one transaction.

    The receipt's `claimed` is the query, claimed anew; None if a slot that a pass had freed is taken by now, or a tile
    that was marked as wrong in the grid has been seen singly. A repeat of the same undo returns the first result, with
    the claim the actor holds now.

    Raises:
        PermissionDenied: below annotator in the project.
        NotFound: if the actor has no such answer that stands.
        Conflict: if the undo's id was used for something else.
    """
    undo_id, answer_id = inputs.answer_id(undo_id, "an undo's id"), inputs.answer_id(answer_id)
    lease = 1000 * inputs.integer(lease_seconds, "lease_seconds", 1, 86_400)
    digest = answering.digest_of(undo=answer_id)

    def work(session: Session) -> Receipt:
        authorize(session, actor, project_id, Role.annotator)
        if (first := answering.repeated(session, actor.user_id, undo_id, digest)) is None:
            query = answering.lock_query(session, project_id, _query_of(session, actor.user_id, project_id, answer_id))
            first = answering.repeated(session, actor.user_id, undo_id, digest) or _undo(
                session, actor.user_id, query, undo_id, answer_id, digest, lease
            )
        return _with_claim(session, actor.user_id, project_id, answer_id, first)

    return database.write(work, idempotent=True)


def _undo(
    session: Session, user_id: int, query: QueryRow, undo_id: str, answer_id: str, digest: str, lease: int
) -> Receipt:
    drafts = AnnotationEventRow.answer_id == answer_id, AnnotationEventRow.kind == "draft"
    payload = {"undo": answer_id}
    event = {"kind": "undo", "target_id": answer_id}
    if session.scalars(select(AnnotationEventRow.id).where(*drafts)).one_or_none() is not None:
        receipt = Receipt(answer_id=undo_id, status="saved", message="The draft is withdrawn.")
        return answering.record(session, query, user_id, receipt, digest, payload, counts=False, **event)
    if grid_marks.was_rejected(session, query, answer_id):
        return grid_marks.take_back(session, query, user_id, undo_id, answer_id, digest, lease)
    note = _own_answer(session, user_id, query.project_id, answer_id)
    claim = answering.withdraw(session, query, note, lease)
    gone = "Taken back; others answer this image now." if query.state == "open" else "Taken back; it is asked no more."
    message = "" if claim is not None else gone
    receipt = answering.finish(session, query, undo_id, message)
    return answering.record(
        session, query, user_id, receipt, digest, payload, counts=query.kind not in NO_VOTES, **event
    )


def _with_claim(session: Session, user_id: int, project_id: int, answer_id: str, receipt: Receipt) -> Receipt:
    query = session.get_one(QueryRow, _query_of(session, user_id, project_id, answer_id))
    held = ClaimRow.query_id == query.id, ClaimRow.user_id == user_id, ClaimRow.state == "leased"
    claim = session.scalars(select(ClaimRow).where(*held)).one_or_none()
    if claim is None or query.state != "open":
        return receipt
    project = session.get_one(ProjectRow, project_id)
    return replace(receipt, claimed=describe(query, claim, project.show_predictions))


def _query_of(session: Session, user_id: int, project_id: int, answer_id: str) -> int:
    statement = select(AnnotationEventRow.query_id).where(
        AnnotationEventRow.answer_id == answer_id,
        AnnotationEventRow.user_id == user_id,
        AnnotationEventRow.project_id == project_id,
        AnnotationEventRow.kind.in_(("answer", "draft")),
    )
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound(f"expected an answer of yours, got the id {answer_id} of none; it may not be saved yet")
    return found


def _own_answer(session: Session, user_id: int, project_id: int, answer_id: str) -> AnnotationRow:
    mine = (
        AnnotationRow.answer_id == answer_id,
        AnnotationRow.user_id == user_id,
        AnnotationRow.project_id == project_id,
    )
    statement = select(AnnotationRow).where(*mine, AnnotationRow.withdrawn_at.is_(None))
    note = session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if note is None:
        raise NotFound(f"expected an answer of yours that stands, got {answer_id}; it was taken back before")
    return note


def recent(database: Database, actor: Actor, project_id: int, limit: int = 20) -> list[RecentAnswer]:
    """Return the actor's latest answers that stand, newest first.

    Raises:
        PermissionDenied: below annotator in the project.
    """
    inputs.integer(limit, "limit", 1, 1000)

    def work(session: Session) -> list[RecentAnswer]:
        authorize(session, actor, project_id, Role.annotator)
        mine = AnnotationRow.user_id == actor.user_id, AnnotationRow.project_id == project_id
        statement = select(AnnotationRow, ClaimRow.token).join(ClaimRow, ClaimRow.id == AnnotationRow.claim_id)
        standing = statement.where(*mine, AnnotationRow.withdrawn_at.is_(None))
        return [
            RecentAnswer(
                answer_id=row.answer_id,
                query_id=row.query_id,
                sample_id=row.sample_id,
                outcome=row.outcome,
                class_id=row.class_id,
                note=row.note,
                created_at=row.created_at,
                token=token,
            )
            for row, token in session.execute(standing.order_by(AnnotationRow.id.desc()).limit(limit))
        ]

    return database.read(work)


def _checked(answer: Answer) -> Answer:
    if answer.outcome not in _OUTCOMES:
        raise InvalidInput(
            f"expected an outcome of {', '.join(_OUTCOMES)}, got {answer.outcome!r:.60}; send one of them"
        )
    if (answer.outcome == "class") != (answer.class_id is not None):
        raise InvalidInput(
            "expected a class with the outcome 'class' and with no other, got otherwise; send both together"
        )
    for what in ("query_id", "token"):
        inputs.integer(getattr(answer, what), what, 0, 2**62)
    for what in ("class_id", "shown_at", "answered_at", "latency_ms"):
        if getattr(answer, what) is not None:
            inputs.integer(getattr(answer, what), what, 0, _MOST_MS)
    inputs.body(answer.note, "a note", longest=10_000)
    if answer.mode not in _MODES:
        raise InvalidInput(f"expected a mode of {', '.join(_MODES)}, got {answer.mode!r:.60}; reload the page")
    inputs.body(answer.client_version, "a client version", longest=80)
    earlier = None if answer.supersedes is None else inputs.answer_id(answer.supersedes)
    return replace(
        answer,
        answer_id=inputs.answer_id(answer.answer_id),
        supersedes=earlier,
        prediction_shown=bool(answer.prediction_shown),
        shown=None if answer.shown is None else inputs.flags(answer.shown, "what was shown"),
    )
