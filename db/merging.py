"""What a merge or a removal of a class does to labels and all that points at it; inside of a transaction."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from db.clock import now
from db.labels import resolve
from db.records import ClassRecord, ClassUsage, Project
from db.sql import chunks
from db.synthetic_states import forget_class
from db.tables import (
    AnnotationEventRow,
    AnnotationRow,
    ClaimRow,
    ClassRow,
    GoldRow,
    LabelTableRow,
    QueryRow,
    SampleRow,
    SyntheticSampleRow,
)
from db.withdrawals import settle_open, take_back


def usages(session: Session, project: Project) -> dict[int, ClassUsage]:
    """Count what hangs on each class in use."""
    live = {entry.id: entry.id for entry in project.classes}
    live |= {entry.id: entry.live_id for entry in project.retired if entry.live_id is not None}
    standing = AnnotationRow.withdrawn_at.is_(None)
    counted = {
        "labels": _grouped(session, LabelTableRow.class_id, LabelTableRow.project_id == project.id),
        "answers": _grouped(session, AnnotationRow.class_id, AnnotationRow.project_id == project.id, standing),
        "gold": _grouped(session, GoldRow.class_id, GoldRow.project_id == project.id, GoldRow.retired_at.is_(None)),
        "known": _grouped(
            session, SampleRow.known_class_id, SampleRow.project_id == project.id, SampleRow.deleted_at.is_(None)
        ),
    }
    found = {entry.id: dict.fromkeys(counted, 0) for entry in project.classes}
    for what, by_class in counted.items():
        for class_id, count in by_class.items():
            if class_id in live:
                found[live[class_id]][what] += count
    return {class_id: ClassUsage(**values) for class_id, values in found.items()}


_ClassId = InstrumentedAttribute[int] | InstrumentedAttribute[int | None]


def _grouped(session: Session, column: _ClassId, *where: ColumnElement[bool]) -> dict[int, int]:
    statement = select(column, func.count()).where(*where, column.is_not(None)).group_by(column)
    return {int(class_id): count for class_id, count in session.execute(statement) if class_id is not None}


def merge(session: Session, project: Project, old: ClassRecord, new: ClassRecord) -> None:
    """Retire a class in favor of another and move all that is no history."""
    _retire(session, old.id, new.id)
    at = now(session)
    mine = LabelTableRow.project_id == project.id, LabelTableRow.class_id == old.id
    session.execute(update(LabelTableRow).where(*mine).values(class_id=new.id, updated_at=at))
    session.execute(update(GoldRow).where(GoldRow.class_id == old.id).values(class_id=new.id))
    session.execute(update(SampleRow).where(SampleRow.known_class_id == old.id).values(known_class_id=new.id))
    session.execute(update(SyntheticSampleRow).where(SyntheticSampleRow.class_id == old.id).values(class_id=new.id))
    _move_positions(session, project.id, old.position, new.position)
    # The labels of the old class are moved above: a majority stays one when votes of another class join it. Where its
    # votes were in the minority or even with others the verdict may be another one, so these are resolved anew.
    for sample_id in session.scalars(_disputed(project, old.id)).all():
        resolve(session, project.id, sample_id)
    settle_open(session, project.id)


def drop(session: Session, project: Project, old: ClassRecord, actor_id: int) -> None:
    """Retire a class with its labels, its answers and its gold."""
    _retire(session, old.id, None)
    family = _family(project, old.id)
    labels = select(LabelTableRow.sample_id).where(
        LabelTableRow.project_id == project.id, LabelTableRow.class_id == old.id
    )
    touched = set(session.scalars(labels)) | set(session.scalars(_named_in_events(project.id, family)))
    _forget(session, project.id, old, actor_id)
    given = AnnotationRow.project_id == project.id, AnnotationRow.class_id.in_(family)
    notes = session.scalars(select(AnnotationRow.id).where(*given, AnnotationRow.withdrawn_at.is_(None))).all()
    take_back(session, project.id, notes, actor_id, f"the class {old.name} was removed")
    for sample_id in sorted(touched):
        resolve(session, project.id, sample_id)
    settle_open(session, project.id)


def _forget(session: Session, project_id: int, old: ClassRecord, actor_id: int) -> None:
    """Take the class out of all that is no history: gold, known classes, synthetic images, queries that name it."""
    at = now(session)
    gold = GoldRow.class_id == old.id, GoldRow.retired_at.is_(None)
    session.execute(update(GoldRow).where(*gold).values(retired_at=at))
    forget_class(session, project_id, old.id, old.name, actor_id)
    known = SampleRow.project_id == project_id, SampleRow.known_class_id == old.id
    session.execute(update(SampleRow).where(*known).values(known_class_id=None, known_hidden=False))
    senseless = or_(
        and_(QueryRow.kind == "gold", QueryRow.expected == old.position),
        and_(QueryRow.kind == "confirm", QueryRow.predicted == old.position),
    )
    mine = QueryRow.project_id == project_id, QueryRow.state == "open"
    ids = session.scalars(select(QueryRow.id).where(*mine, senseless)).all()
    for part in chunks(ids):
        leased = ClaimRow.query_id.in_(part), ClaimRow.state == "leased"
        session.execute(update(ClaimRow).where(*leased).values(state="released"))
        session.execute(update(QueryRow).where(QueryRow.id.in_(part)).values(state="withdrawn", closed_at=at))
    _move_positions(session, project_id, old.position, None)


def _retire(session: Session, class_id: int, into: int | None) -> None:
    """Lock the row in full: an answer under way holds it (by its foreign key) and comes first, or waits and is refused.

    SQLite's writers are one at a time anyway.
    """
    row = session.scalars(select(ClassRow).where(ClassRow.id == class_id).with_for_update()).one()
    row.retired_at, row.merged_into_id = now(session), into
    session.flush()


def _family(project: Project, class_id: int) -> list[int]:
    """The class and those that were merged into it before."""
    return [class_id, *(entry.id for entry in project.retired if entry.live_id == class_id)]


def _disputed(project: Project, class_id: int) -> Select[tuple[int]]:
    """Samples with standing votes for the class and for others, that a review did not decide."""
    family, other = _family(project, class_id), aliased(AnnotationRow)
    voted = (
        AnnotationRow.project_id == project.id,
        AnnotationRow.class_id.in_(family),
        AnnotationRow.withdrawn_at.is_(None),
    )
    against = other.sample_id == AnnotationRow.sample_id, other.withdrawn_at.is_(None), other.class_id.not_in(family)
    disputed = select(AnnotationRow.sample_id).where(*voted, select(other.id).where(*against).exists())
    return disputed.distinct().order_by(AnnotationRow.sample_id)


def _named_in_events(project_id: int, family: Iterable[int]) -> Select[tuple[int]]:
    """Samples whose class came by import, review or decision: their label, or what it gave way to, may be gone."""
    event = AnnotationEventRow
    outside = event.project_id == project_id, event.kind.in_(("import", "review", "decide"))
    return select(event.sample_id).where(*outside, event.class_id.in_(list(family))).distinct()


def _move_positions(session: Session, project_id: int, old: int, new: int | None) -> None:
    """Let queries name today's classes: they are shown, and the page knows no others. Model versions keep theirs."""
    for column in (QueryRow.predicted, QueryRow.nearest, QueryRow.expected):
        mine = QueryRow.project_id == project_id, column == old
        session.execute(update(QueryRow).where(*mine).values({column.key: new}))
    alone = or_(QueryRow.predicted == QueryRow.nearest, QueryRow.predicted.is_(None))
    mine = QueryRow.project_id == project_id, QueryRow.nearest.is_not(None)
    session.execute(update(QueryRow).where(*mine, alone).values(nearest=None))
