"""Numbers that an operator watches, read in one short transaction: each statement uses an index or a small table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from db.clock import now
from db.engine import Database
from db.records import Figures, ProjectFigures, SilentJob
from db.tables import (
    ClaimRow,
    JobRow,
    LabelTableRow,
    ModelVersionRow,
    OutboxRow,
    ProjectRow,
    QueryRow,
    RoundRow,
    WebhookDeliveryRow,
)

MOST_PROJECTS = 1000  # a time series each: the newest are shown
_NUMBER = re.compile(r"-\d+$")  # a comparison's job has its id in its kind


def figures(database: Database) -> Figures:
    """Return the store's numbers, for the server's own use; does not wait for a database that is away.

    Raises:
        StoreBusy: if the database does not answer.
    """

    def work(session: Session) -> Figures:
        at = now(session)
        oldest = session.scalar(select(func.min(OutboxRow.created_at)).where(OutboxRow.sent_at.is_(None)))
        return Figures(
            at=at,
            projects=_projects(session, at),
            jobs=_jobs(session),
            running=_running(session, at),
            last_backup_at=_last_backup(session),
            unsent_ms=0 if oldest is None else max(0, at - oldest),
            deliveries=_counted(session, select(WebhookDeliveryRow.state, func.count()).group_by("state")),
        )

    return database.read(work, patience=0)


def _projects(session: Session, at: int) -> tuple[ProjectFigures, ...]:
    live = ProjectRow.deleted_at.is_(None), ProjectRow.kind == "labeling"
    ids = list(session.scalars(select(ProjectRow.id).where(*live).order_by(ProjectRow.id.desc()).limit(MOST_PROJECTS)))
    mine = LabelTableRow.project_id.in_(ids)
    labels = _counted(session, select(LabelTableRow.project_id, func.count()).where(mine).group_by("project_id"))
    is_open = QueryRow.project_id.in_(ids), QueryRow.state == "open"
    queries = _counted(session, select(QueryRow.project_id, func.count()).where(*is_open).group_by("project_id"))
    held = ClaimRow.state == "leased", ClaimRow.expires_at > at
    claims = select(QueryRow.project_id, func.count()).join(ClaimRow, ClaimRow.query_id == QueryRow.id)
    claimed = _counted(session, claims.where(*is_open, *held).group_by(QueryRow.project_id))
    rounds, models = _rounds(session, ids), _models(session, ids)
    return tuple(
        ProjectFigures(
            id=entry,
            labels=labels.get(entry, 0),
            open_queries=queries.get(entry, 0),
            live_claims=claimed.get(entry, 0),
            **rounds.get(entry, {}),
            **models.get(entry, {}),
        )
        for entry in sorted(ids)
    )


def _rounds(session: Session, ids: list[int]) -> dict[int, dict[str, Any]]:
    """How many rounds there were, and how long people waited for the newest that was opened."""
    opened = func.max(RoundRow.id).filter(RoundRow.opened_at.is_not(None))
    each = select(RoundRow.project_id, func.count().label("rounds"), opened.label("newest"))
    grouped = each.where(RoundRow.project_id.in_(ids)).group_by(RoundRow.project_id).subquery()
    span = RoundRow.opened_at - RoundRow.begun_at
    statement = select(grouped.c.project_id, grouped.c.rounds, span)
    found = session.execute(statement.outerjoin(RoundRow, RoundRow.id == grouped.c.newest)).tuples()
    return {project: {"rounds": rounds, "preparation_ms": took} for project, rounds, took in found}


def _models(session: Session, ids: list[int]) -> dict[int, dict[str, Any]]:
    version = ModelVersionRow
    current = select(version.project_id, version.metrics, version.created_at).where(version.is_current)
    return {
        project: {"validation_accuracy": _number(metrics.get("validation_accuracy")), "model_made_at": made}
        for project, metrics, made in session.execute(current.where(version.project_id.in_(ids))).tuples()
    }


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _jobs(session: Session) -> Mapping[tuple[str, str], int]:
    found: Counter[tuple[str, str]] = Counter()
    counted = select(JobRow.kind, JobRow.state, func.count()).group_by(JobRow.kind, JobRow.state)
    for kind, state, count in session.execute(counted).tuples():
        found[_family(kind), state] += count
    return found


def _last_backup(session: Session) -> int | None:
    made = JobRow.scope == "all", JobRow.kind == "backup", JobRow.state == "done"
    return session.scalar(select(func.max(JobRow.ended_at)).where(*made))


def _running(session: Session, at: int) -> tuple[SilentJob, ...]:
    alive = select(JobRow.project_id, JobRow.kind, JobRow.heartbeat_at).where(JobRow.state == "running")
    return tuple(
        SilentJob(project_id=project, kind=_family(kind), silent_ms=max(0, at - beat))
        for project, kind, beat in session.execute(alive.order_by(JobRow.id)).tuples()
    )


def _family(kind: str) -> str:
    """Return the kind of a job without a number in it.

    >>> _family("compare-17"), _family("round")
    ('compare', 'round')
    """
    return _NUMBER.sub("", kind)


def _counted(session: Session, statement: Select[tuple[Any, int]]) -> dict[Any, int]:
    return dict(session.execute(statement).tuples().all())
