"""Which synthetic samples train the next model."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from db.access import authorize
from db.engine import Database
from db.projects import load
from db.records import Actor, Project, Role, TrainingSynthetic
from db.tables import (
    ClassRow,
    FileRow,
    GateDecisionRow,
    GeneratorVersionRow,
    LabelTableRow,
    ProjectRow,
    SampleRow,
    SyntheticSampleRow,
)


def for_training(
    database: Database, actor: Actor, project_id: int, *, below: int | None = None
) -> list[TrainingSynthetic]:
    """Return the accepted images of classes in use, by generator version and row.

    What the gate accepted counts as long as no newer version was judged for the class: the next one was proved (or
    refused) beside the labels of its day. What a person accepted counts until a person rejects it.

    Args:
        database: the store.
        actor: the acting user.
        project_id: the project.
        below: leave out classes with so many labels or more (the project's `generate_below`); None for no such limit.

    Raises:
        PermissionDenied: below administrator in the project.
    """

    def work(session: Session) -> list[TrainingSynthetic]:
        project = _project(session, actor, project_id)
        rich = {} if below is None else _labels(session, project_id)
        wanted = [item.id for item in project.classes if below is None or rich.get(item.id, 0) < below]
        newest = _newest_judged(session, project)
        by_hand = SyntheticSampleRow.decided_by.in_(("class review", "image review"))
        current = [
            and_(SyntheticSampleRow.class_id == class_id, GeneratorVersionRow.number == number)
            for class_id, number in newest.items()
        ]
        statement = (
            select(
                FileRow.path,
                FileRow.sha256,
                SyntheticSampleRow.row,
                SyntheticSampleRow.id,
                ClassRow.position,
                SyntheticSampleRow.weight,
                GeneratorVersionRow.number,
            )
            .join(FileRow, FileRow.id == SyntheticSampleRow.file_id)
            .join(ClassRow, ClassRow.id == SyntheticSampleRow.class_id)
            .join(GeneratorVersionRow, GeneratorVersionRow.id == SyntheticSampleRow.generator_version_id)
            .where(SyntheticSampleRow.project_id == project_id, SyntheticSampleRow.state == "accepted")
            .where(SyntheticSampleRow.class_id.in_(wanted), or_(by_hand, *current))
            .order_by(GeneratorVersionRow.number, FileRow.path, SyntheticSampleRow.row)
        )
        return [TrainingSynthetic(*row) for row in session.execute(statement)]

    return database.read(work)


def _newest_judged(session: Session, project: Project) -> dict[int, int]:
    """Return class id -> number of the newest version that was judged for it, by a decision or image by image."""
    live = {item.id: item.id for item in project.classes}
    live |= {item.id: item.live_id for item in project.retired if item.live_id is not None}
    judged: list[tuple[type[GateDecisionRow] | type[SyntheticSampleRow], tuple[ColumnElement[bool], ...]]] = [
        (GateDecisionRow, ()),
        (SyntheticSampleRow, (SyntheticSampleRow.decided_by == "gate",)),
    ]
    newest: dict[int, int] = {}
    for table, where in judged:
        statement = (
            select(table.class_id, func.max(GeneratorVersionRow.number))
            .join(GeneratorVersionRow, GeneratorVersionRow.id == table.generator_version_id)
            .where(table.project_id == project.id, *where)
            .group_by(table.class_id)
        )
        for class_id, number in session.execute(statement).tuples():
            if class_id in live:
                newest[live[class_id]] = max(number, newest.get(live[class_id], 0))
    return newest


def _labels(session: Session, project_id: int) -> dict[int, int]:
    there = SampleRow.split == "pool", SampleRow.deleted_at.is_(None), LabelTableRow.project_id == project_id
    statement = select(LabelTableRow.class_id, func.count()).join(SampleRow, SampleRow.id == LabelTableRow.sample_id)
    return dict(session.execute(statement.where(*there).group_by(LabelTableRow.class_id)).tuples().all())


def _project(session: Session, actor: Actor, project_id: int) -> Project:
    authorize(session, actor, project_id, Role.administrator)
    return load(session, session.get_one(ProjectRow, project_id))
