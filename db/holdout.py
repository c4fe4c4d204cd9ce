"""What models said about the holdout, judged by today's labels and in today's classes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Subquery, case, func, select
from sqlalchemy.orm import Session

from db.access import authorize
from db.engine import Database
from db.projects import load
from db.records import Actor, Holdout, PairedAnswer, Role
from db.tables import ClassRow, LabelTableRow, PredictionRow, ProjectRow, SampleRow

_BINS = 15  # of the calibration error, as `pipeline.statistics.classification` has it


def holdout_accuracy(session: Session, project_id: int) -> dict[int, Holdout]:
    """Return, by model version id, its stored predictions judged by today's holdout labels."""
    each = _judged(session, project_id)
    right, gap = func.sum(each.c.right), func.abs(func.sum(each.c.sure) - func.sum(each.c.right))
    by_class = _grouped(session, each.c.version, each.c.position, right, func.count())
    gaps = _grouped(session, each.c.version, each.c.bin, gap)
    return {version: _holdout(found, [gap for _, gap in gaps[version]]) for version, found in by_class.items()}


def pairs(database: Database, actor: Actor, project_id: int, new_id: int, old_id: int) -> list[PairedAnswer]:
    """Return how two model versions did on each labeled holdout image that both predicted; none was trained on it.

    Raises:
        PermissionDenied: below viewer in the project.
    """

    def work(session: Session) -> list[PairedAnswer]:
        authorize(session, actor, project_id, Role.viewer)
        return pairs_of(session, project_id, new_id, old_id)

    return database.read(work)


def pairs_of(session: Session, project_id: int, new_id: int, old_id: int) -> list[PairedAnswer]:
    """Compare two versions inside of a transaction."""
    each = _judged(session, project_id)
    new, old = each.alias("new"), each.alias("old")
    statement = (
        select(new.c.position, new.c.right, old.c.right)
        .join(old, old.c.sample == new.c.sample)
        .where(new.c.version == new_id, old.c.version == old_id)
        .order_by(new.c.sample)
    )
    return [
        PairedAnswer(position=position, new_right=bool(after), old_right=bool(before))
        for position, after, before in session.execute(statement)
    ]


def _judged(session: Session, project_id: int) -> Subquery:
    """Select each prediction of a labeled holdout image: version, sample, true position, right (0 or 1), sure, bin."""
    moved = _moved(session, project_id)
    said = case(moved, value=PredictionRow.position, else_=PredictionRow.position) if moved else PredictionRow.position
    sure = PredictionRow.probability
    return (
        select(
            PredictionRow.model_version_id.label("version"),
            SampleRow.id.label("sample"),
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
