"""Labels: made from answers in the transaction of the answer, and again from events alone to prove it."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from db.access import authorize
from db.clock import now
from db.consensus import Ballot
from db.engine import Database
from db.outbox import ring_for_labels
from db.records import Actor, Role
from db.tables import AnnotationEventRow, AnnotationRow, ClassRow, LabelTableRow, QueryRow, SampleRow
from db.votes import NO_VOTES

_ROWS_AT_ONCE = 5000


def resolve(session: Session, project_id: int, sample_id: int) -> int | None:
    """Bring a sample's label in line with its answers; returns its class id, None if it is (or became) unresolved.

    Call it in the transaction that changed the answers, with the query locked.
    """
    session.execute(select(SampleRow.id).where(SampleRow.id == sample_id).with_for_update(key_share=True))
    verdict = _ballot(session, sample_id).verdict(live_class(session, project_id))
    row = session.scalars(select(LabelTableRow).where(LabelTableRow.sample_id == sample_id)).one_or_none()
    if verdict is None:
        if row is not None:
            session.execute(delete(LabelTableRow).where(LabelTableRow.sample_id == sample_id))
            session.expunge(row)
        return None
    if row is None:
        row = LabelTableRow(project_id=project_id, sample_id=sample_id)
        session.add(row)
    is_new = row.id is None
    row.class_id, row.origin, row.votes = verdict
    row.updated_at = now(session)
    session.flush()
    if is_new:
        ring_for_labels(session, project_id)
    return verdict.class_id


def _ballot(session: Session, sample_id: int) -> Ballot:
    ballot = Ballot()
    asked = select(QueryRow.id, QueryRow.slots, QueryRow.decided).where(QueryRow.sample_id == sample_id)
    for query_id, slots, decided in session.execute(asked.where(QueryRow.kind.not_in(NO_VOTES))):
        ballot.slots[query_id] = slots
        if decided:
            ballot.decided.add(query_id)
    standing = (
        AnnotationRow.sample_id == sample_id,
        AnnotationRow.withdrawn_at.is_(None),
        AnnotationRow.outcome == "class",
    )
    votes = select(AnnotationRow.query_id, AnnotationRow.user_id, AnnotationRow.class_id).where(*standing)
    for query_id, user_id, class_id in session.execute(votes):
        if query_id in ballot.slots and class_id is not None:
            ballot.vote(query_id, user_id, class_id)
    event = AnnotationEventRow
    events = select(event.kind, event.class_id, event.target_id).where(
        event.sample_id == sample_id, event.kind != "draft", or_(event.kind != "answer", event.target_id.is_not(None))
    )
    for kind, class_id, target_id in session.execute(events.order_by(event.id)):
        ballot.outside(kind, class_id, None, takes_back=target_id is not None)
    return ballot


def live_class(session: Session, project_id: int | None) -> Callable[[int], int | None]:
    """Return what each class counts for today: itself, the one it was merged into, or None if it is gone.

    Args:
        session: of the transaction.
        project_id: None for the classes of all projects.
    """
    retired = select(ClassRow.id, ClassRow.merged_into_id).where(ClassRow.retired_at.is_not(None))
    if project_id is not None:
        retired = retired.where(ClassRow.project_id == project_id)
    into: dict[int, int | None] = dict(session.execute(retired).tuples().all())

    def live(class_id: int) -> int | None:
        found: int | None = class_id
        while found in into:
            found = into[found]
        return found

    return live


def rebuild(database: Database) -> dict[int, int]:
    """Return sample id -> class id of every label of the store, from the events alone (deleted samples included)."""
    return database.read(_replay)


def _replay(session: Session) -> dict[int, int]:
    ballots: dict[int, Ballot] = {}
    given: dict[str, tuple[int, int]] = {}  # answer id -> query, user
    columns = [getattr(AnnotationEventRow, name) for name in _REPLAYED]
    result = session.connection().execute(
        select(*columns).order_by(AnnotationEventRow.id), execution_options={"stream_results": True}
    )
    for part in result.partitions(_ROWS_AT_ONCE):
        for sample_id, *event in part:
            _apply(ballots.setdefault(sample_id, Ballot()), given, *event)
    live = live_class(session, None)
    verdicts = ((sample_id, ballot.verdict(live)) for sample_id, ballot in ballots.items())
    return {sample_id: verdict.class_id for sample_id, verdict in verdicts if verdict is not None}


_REPLAYED = ("sample_id", "kind", "query_id", "user_id", "answer_id", "target_id", "class_id", "counts", "slots")


def _apply(
    ballot: Ballot,
    given: dict[str, tuple[int, int]],
    kind: str,
    query_id: int | None,
    user_id: int,
    answer_id: str | None,
    target_id: str | None,
    class_id: int | None,
    counts: bool,
    slots: int | None,
) -> None:
    ballot.outside(kind, class_id, query_id, takes_back=target_id is not None and kind != "draft")
    if kind in ("answer", "undo", "withdraw") and target_id in given:
        ballot.withdraw(*given[target_id])
    if kind == "answer" and counts and query_id is not None and answer_id is not None:
        given[answer_id] = (query_id, user_id)
        ballot.slots[query_id] = slots or 1
        if class_id is not None:
            ballot.vote(query_id, user_id, class_id)


def counts(database: Database, actor: Actor, project_id: int) -> dict[str, int]:
    """Return class name -> labels, with every class of the project, by position.

    Raises:
        PermissionDenied: below viewer in the project.
    """

    def work(session: Session) -> dict[str, int]:
        authorize(session, actor, project_id, Role.viewer)
        live = select(LabelTableRow.class_id, LabelTableRow.id).join(SampleRow, SampleRow.id == LabelTableRow.sample_id)
        labels = live.where(SampleRow.deleted_at.is_(None)).subquery()
        statement = (
            select(ClassRow.name, func.count(labels.c.id))
            .outerjoin(labels, labels.c.class_id == ClassRow.id)
            .where(ClassRow.project_id == project_id, ClassRow.retired_at.is_(None))
            .group_by(ClassRow.id, ClassRow.name, ClassRow.position)
            .order_by(ClassRow.position)
        )
        return dict(session.execute(statement).tuples().all())

    return database.read(work)
