"""Comparisons of strategies: found again by their key, stopped, deleted, and read with their points.

Whoever may see a project may see its comparisons; starting, stopping, writing and deleting need its administrator,
which Borderline itself is. That a comparison runs is told by its job's heartbeat, so a killed one does not seem alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db import inputs
from db.access import authorize
from db.clock import now
from db.comparison_rows import comparison_of, comparisons_of, file_of, find, job_kind, point_of, run_of
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from db.records import (
    Actor,
    Comparison,
    ComparisonFile,
    ComparisonPoint,
    ComparisonRun,
    NewComparison,
    Role,
)
from db.tables import (
    ComparisonFileRow,
    ComparisonPointRow,
    ComparisonRow,
    ComparisonRunRow,
    FileRow,
    JobRow,
    ProjectRow,
)


def start_or_find(database: Database, actor: Actor, project_id: int, new: NewComparison) -> Comparison:
    """Return the comparison of this key, made when there is none; it starts as 'stopped', with all runs waiting.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if there is no such project.
        InvalidInput: if the project is not of kind 'simulation', or there are no runs.
        Conflict: if the key was used for other settings or runs.
    """
    name, key = inputs.name(new.name, "a comparison's name"), inputs.name(new.key, "a comparison's key")
    settings = inputs.plain(new.settings, "settings")
    runs = {(inputs.name(arm, "an arm"), inputs.integer(seed, "a seed", 0, 2**63 - 1)) for arm, seed in new.runs}
    wanted = inputs.integer(new.points_wanted, "the number of points", 1, 2**31 - 1)

    def work(session: Session) -> Comparison:
        authorize(session, actor, project_id, Role.administrator)
        _require_simulation(session, project_id)
        mine = ComparisonRow.project_id == project_id, ComparisonRow.key == key, ComparisonRow.deleted_at.is_(None)
        row = session.scalars(select(ComparisonRow).where(*mine)).one_or_none()
        if row is None:
            row = ComparisonRow(project_id=project_id, name=name, key=key, settings=settings, about={})
            row.state, row.note, row.points_wanted, row.created_by = "stopped", "", wanted, actor.user_id
            row.created_at = row.updated_at = now(session)
            session.add(row)
            session.flush()
            session.add_all(_new_run(row.id, arm, seed) for arm, seed in sorted(runs))
            session.flush()
        _require_same(session, row, settings, runs)
        return comparison_of(session, row)

    if not runs:
        raise InvalidInput("expected at least one run, got none; name strategies and seeds")
    return database.write(work, idempotent=True)


def _new_run(comparison_id: int, arm: str, seed: int) -> ComparisonRunRow:
    return ComparisonRunRow(comparison_id=comparison_id, arm=arm, seed=seed, state="waiting", note="")


def _require_simulation(session: Session, project_id: int) -> None:
    kind = session.scalars(select(ProjectRow.kind).where(ProjectRow.id == project_id)).one()
    if kind != "simulation":
        raise InvalidInput(f"expected a project of kind 'simulation', got one of kind {kind!r}; compare on a copy")


def _require_same(
    session: Session, row: ComparisonRow, settings: Mapping[str, Any], runs: set[tuple[str, int]]
) -> None:
    mine = select(ComparisonRunRow.arm, ComparisonRunRow.seed).where(ComparisonRunRow.comparison_id == row.id)
    if row.settings != settings or set(session.execute(mine).tuples()) != runs:
        raise Conflict(f"expected the same comparison under the key {row.key!r}, got another; choose a new key")


def get(database: Database, actor: Actor, comparison_id: int) -> Comparison:
    """Return a comparison.

    Raises:
        PermissionDenied: below viewer in its project.
        NotFound: if there is none, or it was deleted.
    """

    def work(session: Session) -> Comparison:
        return comparison_of(session, find(session, actor, comparison_id, Role.viewer))

    return database.read(work)


def list_comparisons(database: Database, actor: Actor, project_id: int | None = None) -> list[Comparison]:
    """Return the comparisons that the actor may see, newest first, of a project or (None) of all.

    Raises:
        PermissionDenied: below viewer in a project that was named.
    """

    def work(session: Session) -> list[Comparison]:
        if project_id is not None:
            authorize(session, actor, project_id, Role.viewer)
        projects = select(ComparisonRow.project_id).where(ComparisonRow.deleted_at.is_(None)).distinct()
        seen = [one for one in session.scalars(projects).all() if _visible(session, actor, one)]
        wanted = [one for one in seen if project_id in (None, one)]
        mine = ComparisonRow.project_id.in_(wanted), ComparisonRow.deleted_at.is_(None)
        return comparisons_of(session, select(ComparisonRow).where(*mine).order_by(ComparisonRow.id.desc()))

    return database.read(work)


def _visible(session: Session, actor: Actor, project_id: int) -> bool:
    try:
        authorize(session, actor, project_id, Role.viewer)
    except (PermissionDenied, NotFound):  # NotFound: its project was deleted
        return False
    return True


def runs(database: Database, actor: Actor, comparison_id: int) -> list[ComparisonRun]:
    """Return the runs of a comparison with their points, by arm and seed; two reads whatever their number.

    Raises:
        PermissionDenied: below viewer in its project.
        NotFound: if there is no such comparison.
    """

    def work(session: Session) -> list[ComparisonRun]:
        find(session, actor, comparison_id, Role.viewer)
        mine = ComparisonRunRow.comparison_id == comparison_id
        in_order = select(ComparisonRunRow).where(mine).order_by(ComparisonRunRow.arm, ComparisonRunRow.seed)
        points: dict[int, list[ComparisonPoint]] = {}
        joined = select(ComparisonPointRow).join(ComparisonRunRow, ComparisonRunRow.id == ComparisonPointRow.run_id)
        for row in session.scalars(joined.where(mine).order_by(ComparisonPointRow.labels)):
            points.setdefault(row.run_id, []).append(point_of(row))
        return [run_of(row, tuple(points.get(row.id, ()))) for row in session.scalars(in_order)]

    return database.read(work)


def request_stop(database: Database, actor: Actor, comparison_id: int) -> bool:
    """Ask a running comparison to stop; its points stay and it can go on later. False if it does not run.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if there is no such comparison.
    """

    def work(session: Session) -> bool:
        row = find(session, actor, comparison_id, Role.administrator)
        mine = JobRow.project_id == row.project_id, JobRow.kind == job_kind(comparison_id), JobRow.state == "running"
        asked = update(JobRow).where(*mine).values(cancel_requested_at=now(session)).returning(JobRow.id)
        return session.scalars(asked).first() is not None

    return database.write(work, idempotent=True)


def delete(database: Database, actor: Actor, comparison_id: int) -> None:
    """Delete a comparison: it is seen no more, and the same command starts anew. A running one stops first.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if there is none.
        Conflict: if it runs.
    """

    def work(session: Session) -> None:
        row = find(session, actor, comparison_id, Role.administrator)
        if comparison_of(session, row).state == "running":
            raise Conflict("expected a comparison that does not run, got one that does; stop it first")
        row.deleted_at = now(session)

    database.write(work, idempotent=False)


def files_of(database: Database, actor: Actor, comparison_id: int) -> list[ComparisonFile]:
    """Return the files of a comparison, by kind and name.

    Raises:
        PermissionDenied: below viewer in its project.
        NotFound: if there is no such comparison.
    """

    def work(session: Session) -> list[ComparisonFile]:
        find(session, actor, comparison_id, Role.viewer)
        joined = select(ComparisonFileRow, FileRow).join(FileRow, FileRow.id == ComparisonFileRow.file_id)
        mine = joined.where(ComparisonFileRow.comparison_id == comparison_id)
        in_order = mine.order_by(ComparisonFileRow.kind, ComparisonFileRow.name)
        return [file_of(row, file) for row, file in session.execute(in_order).tuples()]

    return database.read(work)
