"""Comparisons as rows: found, with the role checked, and turned into records."""

from __future__ import annotations

import math
from typing import Any, cast

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from db import inputs
from db.access import authorize
from db.clock import now
from db.errors import InvalidInput, NotFound
from db.jobs import STALE_AFTER_MS
from db.records import (
    Actor,
    Comparison,
    ComparisonFile,
    ComparisonPoint,
    ComparisonRun,
    ComparisonState,
    Role,
    RunState,
)
from db.tables import ComparisonFileRow, ComparisonPointRow, ComparisonRow, ComparisonRunRow, FileRow, JobRow

_SILENT = "It stopped without a word (killed, or the machine went down); it goes on where it stopped."


def job_kind(comparison_id: int) -> str:
    """Return the kind of the job (`db.jobs`) that carries a comparison out: one lives at a time."""
    return f"compare-{comparison_id}"


def find(session: Session, actor: Actor, comparison_id: int, need: Role) -> ComparisonRow:
    """Return the row of a comparison for whoever may, locked when it will be written to.

    Raises:
        PermissionDenied: if the actor's role in its project is below `need`.
        NotFound: if there is none, or it was deleted.
    """
    statement = select(ComparisonRow).where(ComparisonRow.id == comparison_id, ComparisonRow.deleted_at.is_(None))
    if need is Role.administrator:
        statement = statement.with_for_update(key_share=True)
    row = session.scalars(statement).one_or_none()
    authorize(session, actor, row.project_id if row else None, need)
    if row is None:
        raise NotFound(f"expected a comparison, got the id {comparison_id} of none; see: borderline comparisons")
    return row


def comparison_of(session: Session, row: ComparisonRow) -> Comparison:
    """Make the record of one row."""
    return comparisons_of(session, select(ComparisonRow).where(ComparisonRow.id == row.id))[0]


def comparisons_of(session: Session, statement: Select[tuple[ComparisonRow]]) -> list[Comparison]:
    """Make the records of the rows that a statement finds."""
    rows = session.scalars(statement.execution_options(populate_existing=True)).all()
    ids = [row.id for row in rows]
    done, alive = _points_done(session, ids), _alive(session, [row.project_id for row in rows])
    return [_comparison(row, done.get(row.id, 0), alive.get(job_kind(row.id))) for row in rows]


def _points_done(session: Session, ids: list[int]) -> dict[int, int]:
    counted = (
        select(ComparisonRunRow.comparison_id, func.count(ComparisonPointRow.id))
        .join(ComparisonPointRow, ComparisonPointRow.run_id == ComparisonRunRow.id)
        .where(ComparisonRunRow.comparison_id.in_(ids))
        .group_by(ComparisonRunRow.comparison_id)
    )
    return dict(session.execute(counted).tuples().all())


def _alive(session: Session, project_ids: list[int]) -> dict[str, str]:
    """What the living jobs of these projects do now, by their kind."""
    beats = JobRow.heartbeat_at > now(session) - STALE_AFTER_MS
    mine = JobRow.project_id.in_(set(project_ids)), JobRow.state == "running", beats
    return dict(session.execute(select(JobRow.kind, JobRow.message).where(*mine)).tuples().all())


def _comparison(row: ComparisonRow, done: int, message: str | None) -> Comparison:
    state, note = row.state, row.note
    if state == "running":
        state, note = ("stopped", _SILENT) if message is None else ("running", message)
    return Comparison(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        key=row.key,
        settings=row.settings,
        about=row.about,
        state=cast("ComparisonState", state),
        note=note,
        points_done=done,
        points_wanted=row.points_wanted,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def run_of(row: ComparisonRunRow, points: tuple[ComparisonPoint, ...]) -> ComparisonRun:
    """Make the record of a run."""
    state = cast("RunState", row.state)
    return ComparisonRun(id=row.id, arm=row.arm, seed=row.seed, state=state, note=row.note, points=points)


def point_of(row: ComparisonPointRow) -> ComparisonPoint:
    """Make the record of a point."""
    return ComparisonPoint(
        labels=row.labels,
        accuracy=row.accuracy,
        balanced_accuracy=row.balanced_accuracy,
        class_recall=tuple(row.class_recall),
        class_labels=tuple(row.class_labels),
        queried=tuple(row.queried),
        query_seconds=row.query_seconds,
        train_seconds=row.train_seconds,
        figures=row.figures,
    )


def point_values(point: ComparisonPoint) -> dict[str, Any]:
    """Return the columns of a point, checked.

    Raises:
        InvalidInput: for NaN, shares outside of [0, 1], a sample asked twice, or classes that do not fit together.
    """
    if len(point.class_recall) != len(point.class_labels):
        raise InvalidInput(
            f"expected recalls and labels of as many classes, got {len(point.class_recall)} and "
            f"{len(point.class_labels)}; measure again"
        )
    if len(set(point.queried)) != len(point.queried):
        raise InvalidInput("expected each sample asked once, got one twice; ask again")
    for seconds in (point.train_seconds, point.query_seconds):
        if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
            raise InvalidInput(f"expected a time in seconds, got {seconds!r}; measure again")
    return {
        "labels": inputs.integer(int(point.labels), "the number of labels", 1, 2**31 - 1),
        "accuracy": inputs.share(float(point.accuracy), "an accuracy"),
        "balanced_accuracy": inputs.share(float(point.balanced_accuracy), "a balanced accuracy"),
        "class_recall": [
            None if part is None else inputs.share(float(part), "a recall") for part in point.class_recall
        ],
        "class_labels": [inputs.integer(int(part), "a number of labels", 0, 2**31 - 1) for part in point.class_labels],
        "queried": [inputs.integer(int(part), "a sample's id", 0, 2**63 - 1) for part in point.queried],
        "query_seconds": None if point.query_seconds is None else float(point.query_seconds),
        "train_seconds": float(point.train_seconds),
        "figures": inputs.plain(point.figures, "figures"),
    }


def file_of(row: ComparisonFileRow, file: FileRow) -> ComparisonFile:
    """Make the record of a file."""
    return ComparisonFile(kind=row.kind, name=row.name, path=file.path, sha256=file.sha256, size=file.size)
