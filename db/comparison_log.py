"""What a comparison's process writes as it goes: points, where its runs stand, what is known of it, files for pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db import files, inputs
from db.clock import now
from db.comparison_rows import comparison_of, file_of, find, point_values
from db.engine import Database
from db.errors import Conflict, InvalidInput
from db.records import Actor, Comparison, ComparisonFile, ComparisonPoint, ComparisonState, NewFile, Role, RunState
from db.tables import ComparisonFileRow, ComparisonPointRow, ComparisonRunRow, FileRow

STATES = ("running", "stopped", "done", "failed")
RUN_STATES = ("waiting", "running", "done", "failed")


def record_point(database: Database, actor: Actor, run_id: int, point: ComparisonPoint) -> bool:
    """Keep a point of a run; False if it was kept before. Times may differ between two tries, results may not.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if there is no such run.
        InvalidInput: for numbers that cannot be.
        Conflict: if another result is kept for this number of labels.
    """
    values = point_values(point)

    def work(session: Session) -> bool:
        run = session.get(ComparisonRunRow, run_id)
        row = find(session, actor, run.comparison_id if run else 0, Role.administrator)
        mine = ComparisonPointRow.run_id == run_id, ComparisonPointRow.labels == point.labels
        kept = session.scalars(select(ComparisonPointRow).where(*mine)).one_or_none()
        if kept is not None:
            _require_equal(kept, values)
            return False
        row.updated_at = now(session)
        session.add(ComparisonPointRow(run_id=run_id, created_at=row.updated_at, **values))
        session.flush()
        return True

    return database.write(work, idempotent=True)


def _require_equal(kept: ComparisonPointRow, values: Mapping[str, Any]) -> None:
    results = ("accuracy", "balanced_accuracy", "class_recall", "class_labels", "queried")
    other = [name for name in results if getattr(kept, name) != values[name]]
    if other:
        raise Conflict(
            f"expected the result that is kept for {kept.labels} labels, got another {', '.join(other)}; "
            "the same seed gave two results: delete the comparison and start it on one kind of device"
        )


def set_run_state(database: Database, actor: Actor, run_id: int, state: RunState, note: str = "") -> None:
    """Say where a run stands, with the reason if it failed.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if there is no such run.
    """
    _require_state(state, RUN_STATES)

    def work(session: Session) -> None:
        run = session.get(ComparisonRunRow, run_id)
        row = find(session, actor, run.comparison_id if run else 0, Role.administrator)
        changed = {"state": state, "note": inputs.file_name(note)}
        session.execute(update(ComparisonRunRow).where(ComparisonRunRow.id == run_id).values(changed))
        row.updated_at = now(session)

    database.write(work, idempotent=True)


def set_state(database: Database, actor: Actor, comparison_id: int, state: ComparisonState, note: str = "") -> None:
    """Say where a comparison stands. When it stops, runs under way wait again.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if there is no such comparison.
    """
    _require_state(state, STATES)

    def work(session: Session) -> None:
        row = find(session, actor, comparison_id, Role.administrator)
        row.state, row.note, row.updated_at = state, inputs.file_name(note), now(session)
        mine = ComparisonRunRow.comparison_id == comparison_id, ComparisonRunRow.state == "running"
        session.execute(update(ComparisonRunRow).where(*mine).values(state="waiting"))

    database.write(work, idempotent=True)


def _require_state(state: str, known: tuple[str, ...]) -> None:
    if state not in known:
        raise InvalidInput(f"expected a state out of {', '.join(known)}, got {state!r}; name one of them")


def add_about(database: Database, actor: Actor, comparison_id: int, about: Mapping[str, Any]) -> Comparison:
    """Add to what is known of a comparison, by name; what had that name before is replaced.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if there is no such comparison.
    """
    added = inputs.plain(about, "what is known of a comparison")

    def work(session: Session) -> Comparison:
        row = find(session, actor, comparison_id, Role.administrator)
        row.about, row.updated_at = {**row.about, **added}, now(session)
        session.flush()
        return comparison_of(session, row)

    return database.write(work, idempotent=True)


def record_file(
    database: Database, actor: Actor, comparison_id: int, kind: str, name: str, file: NewFile
) -> ComparisonFile:
    """Record a file of a comparison that is safely on disk; another of this kind and name is replaced.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if there is no such comparison.
    """
    kind, name = inputs.name(kind, "a file's kind"), inputs.name(name, "a file's name", longest=1000)

    def work(session: Session) -> ComparisonFile:
        row = find(session, actor, comparison_id, Role.administrator)
        file_id = next(iter(files.register(session, row.project_id, "comparison", [file]).values()))
        one = ComparisonFileRow.comparison_id == comparison_id, ComparisonFileRow.kind == kind
        kept = session.scalars(select(ComparisonFileRow).where(*one, ComparisonFileRow.name == name)).one_or_none()
        row.updated_at = now(session)
        if kept is None:
            kept = ComparisonFileRow(comparison_id=comparison_id, kind=kind, name=name, created_at=row.updated_at)
            session.add(kept)
        kept.file_id = file_id
        session.flush()
        return file_of(kept, session.get_one(FileRow, file_id))

    return database.write(work, idempotent=True)
