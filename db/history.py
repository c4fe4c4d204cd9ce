"""What came of each round: labels gained, and how good its model is by today's knowledge."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Subquery, case, func, select
from sqlalchemy.orm import Session

from db.access import authorize
from db.claims import MARKED_WRONG
from db.engine import Database
from db.projects import load
from db.records import Actor, Holdout, Role, Round, RoundSummary
from db.tables import (
    ClassRow,
    LabelTableRow,
    ModelVersionRow,
    PredictionRow,
    ProjectRow,
    QueryRow,
    RoundModelRow,
    RoundRow,
    SampleRow,
)

_BINS = 15  # of the calibration error, as `pipeline.statistics.classification` has it


def history(database: Database, actor: Actor, project_id: int) -> list[RoundSummary]:
    """Return the project's rounds, oldest first.

    Raises:
        PermissionDenied: below viewer in the project.
    """

    def work(session: Session) -> list[RoundSummary]:
        authorize(session, actor, project_id, Role.viewer)
        return summaries(session, project_id)

    return database.read(work)


def summaries(session: Session, project_id: int) -> list[RoundSummary]:
    """Summarize inside of a transaction."""
    gained = _gained(session, project_id)
    accuracy = holdout_accuracy(session, project_id)
    statement = (
        select(RoundRow, ModelVersionRow)
        .outerjoin(RoundModelRow, RoundModelRow.round_id == RoundRow.id)
        .outerjoin(ModelVersionRow, ModelVersionRow.id == RoundModelRow.model_version_id)
        .where(RoundRow.project_id == project_id)
        .order_by(RoundRow.number)
    )
    return [
        _summary(turn, model, gained.get(turn.id, 0), accuracy.get(model.id) if model else None)
        for turn, model in session.execute(statement).tuples()
    ]


def _summary(turn: RoundRow, model: ModelVersionRow | None, gained: int, holdout: Holdout | None) -> RoundSummary:
    metrics = model.metrics if model is not None else {}
    test = metrics.get("test_accuracy")
    return RoundSummary(
        round_id=turn.id,
        number=turn.number,
        state=turn.state,
        strategy=turn.strategy,
        k=turn.k,
        labels_before=turn.labels_before,
        labels_gained=gained,
        model_version_id=model.id if model is not None else None,
        labels_used=model.labels_used if model is not None else None,
        metrics=metrics,
        test_accuracy=float(test) if isinstance(test, int | float) else None,
        holdout=holdout,
        diagnostics=turn.diagnostics,
        begun_at=turn.begun_at,
        opened_at=turn.opened_at,
        closed_at=turn.closed_at,
    )


def _gained(session: Session, project_id: int) -> dict[int, int]:
    statement = (
        select(QueryRow.round_id, func.count(QueryRow.id))
        .join(LabelTableRow, LabelTableRow.sample_id == QueryRow.sample_id)
        .where(QueryRow.project_id == project_id, QueryRow.kind == "learn", QueryRow.state == "closed")
        .where(~MARKED_WRONG)
        .group_by(QueryRow.round_id)
    )
    return dict(session.execute(statement).tuples().all())


def holdout_accuracy(session: Session, project_id: int) -> dict[int, Holdout]:
    """Return, by model version id, its stored predictions judged by today's holdout labels."""
    each = _judged(session, project_id)
    right, gap = func.sum(each.c.right), func.abs(func.sum(each.c.sure) - func.sum(each.c.right))
    by_class = _grouped(session, each.c.version, each.c.position, right, func.count())
    gaps = _grouped(session, each.c.version, each.c.bin, gap)
    return {version: _holdout(found, [gap for _, gap in gaps[version]]) for version, found in by_class.items()}


def _judged(session: Session, project_id: int) -> Subquery:
    """Select each prediction of a labeled holdout image: version, true position, right (0 or 1), sure, bin."""
    moved = _moved(session, project_id)
    said = case(moved, value=PredictionRow.position, else_=PredictionRow.position) if moved else PredictionRow.position
    sure = PredictionRow.probability
    return (
        select(
            PredictionRow.model_version_id.label("version"),
            ClassRow.position.label("position"),
            case((said == ClassRow.position, 1), else_=0).label("right"),
            sure.label("sure"),
            case(*((sure <= (place + 1) / _BINS, place) for place in range(_BINS - 1)), else_=_BINS - 1).label("bin"),
        )
        .join(SampleRow, SampleRow.id == PredictionRow.sample_id)
        .join(LabelTableRow, LabelTableRow.sample_id == SampleRow.id)
        .join(ClassRow, ClassRow.id == LabelTableRow.class_id)
        .where(SampleRow.project_id == project_id, SampleRow.split == "holdout", SampleRow.deleted_at.is_(None))
        .subquery()
    )


def _grouped(session: Session, version: Any, group: Any, *figures: Any) -> dict[int, list[tuple[Any, ...]]]:
    """Return (group, figures) of all groups, by model version id."""
    found: dict[int, list[tuple[Any, ...]]] = {}
    for number, *row in session.execute(select(version, group, *figures).group_by(version, group).order_by(group)):
        found.setdefault(number, []).append(tuple(row))
    return found


def _holdout(by_class: list[tuple[Any, ...]], gaps: list[float]) -> Holdout:
    total = sum(count for _, _, count in by_class)
    return Holdout(
        correct=sum(int(right) for _, right, _ in by_class),
        total=total,
        class_recall={place: int(right) / count for place, right, count in by_class},
        calibration_error=float(sum(gaps)) / total,
    )


def _moved(session: Session, project_id: int) -> dict[int, int]:
    """Return position -> today's, of classes that were merged: a model of before them was right in today's terms."""
    project = load(session, session.get_one(ProjectRow, project_id))
    places = {entry.position: project.live_position(entry.position) for entry in project.retired}
    return {old: new for old, new in places.items() if new is not None}


def read_round(session: Session, turn: RoundRow) -> Round:
    """Make the record of a round's row."""
    model = session.get(RoundModelRow, turn.id)
    return Round(
        id=turn.id,
        project_id=turn.project_id,
        number=turn.number,
        state=turn.state,
        k=turn.k,
        strategy=turn.strategy,
        attempt=turn.attempt,
        labels_before=turn.labels_before,
        model_version_id=model.model_version_id if model else None,
        begun_at=turn.begun_at,
        opened_at=turn.opened_at,
        closed_at=turn.closed_at,
    )
