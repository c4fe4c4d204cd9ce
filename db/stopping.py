"""What tells whether more labels are worth it, in one read: for the advice on the Progress page and in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from db.access import authorize
from db.engine import Database
from db.holdout import holdout_accuracy, pairs_of
from db.model_versions import all_of
from db.pool import count_labels
from db.records import Actor, Holdout, Measured, MeasuredPoint, ModelVersion, Role, StoppingFacts, measured_on
from db.records.rounds import measured_on_holdout
from db.tables import ProjectRow

WINDOW = 3  # models back that the newest is compared with, as `pipeline.statistics.stopping` has it

Found = tuple[ModelVersion, Measured]


def facts(database: Database, actor: Actor, project_id: int) -> StoppingFacts:
    """Return labels and budget, how good each model was on the same images, and how successive models agree.

    Models of another architecture, recipe or set of classes than the newest are left out: they are another curve.
    The images are the holdout or the validation split, whichever is larger; the test split where there is neither.

    Raises:
        PermissionDenied: below viewer in the project.
        NotFound: if there is no such project.
    """

    def work(session: Session) -> StoppingFacts:
        authorize(session, actor, project_id, Role.viewer)
        project = session.get_one(ProjectRow, project_id)
        alike = _alike(all_of(session, project_id))
        measured = _on_the_same(alike, holdout_accuracy(session, project_id))
        return StoppingFacts(
            labels=count_labels(session, project_id),
            budget=project.label_budget,
            source=measured[-1][1].source if measured else "",
            points=tuple(MeasuredPoint(item.labels_used, found.correct, found.total) for item, found in measured),
            changed=_changed(session, project_id, measured),
            kappas=tuple(float(item.metrics["agreement"]["kappa"]) for item in alike if item.metrics.get("agreement")),
            seed=project.seed,
        )

    return database.read(work)


def _alike(newest_first: Sequence[ModelVersion]) -> list[ModelVersion]:
    """Return the versions of the newest one's kind, oldest first."""
    kinds = [(item.architecture, item.recipe, item.metrics.get("classes")) for item in newest_first]
    return [item for item, kind in zip(newest_first, kinds, strict=True) if kind == kinds[0]][::-1]


def _on_the_same(alike: Sequence[ModelVersion], held: Mapping[int, Holdout]) -> list[Found]:
    """Return the versions that were measured on the images that tell most of the newest, with their figures."""
    if not alike:
        return []
    found = [_figures(alike[-1], source, held) for source in ("holdout", "validation", "test")]
    known = [item for item in found[:2] if item is not None] or [item for item in found[2:] if item is not None]
    best = max(known, key=lambda item: item.total, default=None)
    if best is None:
        return []
    figures = [(version, _figures(version, best.source, held)) for version in alike]
    return [(version, item) for version, item in figures if item is not None and item.total == best.total]


def _figures(version: ModelVersion, source: str, held: Mapping[int, Holdout]) -> Measured | None:
    if source == "holdout":
        return measured_on_holdout(held.get(version.id))
    return measured_on(source, version.metrics)


def _changed(session: Session, project_id: int, measured: Sequence[Found]) -> tuple[int, int] | None:
    """Count the holdout images that went from wrong to right and back; other splits keep no single predictions."""
    if len(measured) <= WINDOW or measured[-1][1].source != "holdout":
        return None
    new, old = measured[-1][0], measured[-1 - WINDOW][0]
    answers = pairs_of(session, project_id, new.id, old.id)
    gained = sum(item.new_right and not item.old_right for item in answers)
    return gained, sum(item.old_right and not item.new_right for item in answers)
