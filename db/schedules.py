"""When retrainings and backups run by themselves: set by administrators, answered once a moment, whoever asks.

A moment that was missed while everything was down is answered once, not once a missed moment: only the newest counts.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from db import inputs, slots
from db.access import authorize
from db.clock import now
from db.engine import Database
from db.errors import InvalidInput, NotFound
from db.records import Actor, DueSlot, Role, Schedule
from db.tables import LabelTableRow, ModelVersionRow, ProjectRow, SampleRow, ScheduleRow

MOST_LABELS = 1_000_000_000


def put(
    database: Database,
    actor: Actor,
    project_id: int | None,
    *,
    cron: str | None = None,
    timezone: str = "UTC",
    seconds: int | None = None,
    labels: int | None = None,
) -> Schedule:
    """Set when a project retrains (None: when everything is backed up) by one trigger, and switch it on.

    A project has one of each trigger: the same one again changes it. Moments before the change do not count.

    Args:
        database: The store.
        actor: Who acts.
        project_id: Whose retraining; None for backups.
        cron: Five fields, such as '0 3 * * *', or ...
        timezone: ... in this time zone (IANA), ...
        seconds: ... an interval, at least a minute, or ...
        labels: ... after so many new labels.

    Raises:
        PermissionDenied: below administrator in the project (for backups, everywhere).
        InvalidInput: for none or several triggers, or one that cannot be.
    """
    trigger, values = _checked(project_id, cron, timezone, seconds, labels)
    kind = "backup" if project_id is None else "retrain"

    def work(session: Session) -> Schedule:
        authorize(session, actor, project_id, Role.administrator)
        scope = "all" if project_id is None else f"project:{project_id}"
        named = ScheduleRow.scope == scope, ScheduleRow.kind == kind, ScheduleRow.trigger == trigger
        row = session.scalars(select(ScheduleRow).where(*named).with_for_update()).one_or_none()
        if row is None:
            row = ScheduleRow(project_id=project_id, scope=scope, kind=kind, trigger=trigger, is_on=False)
            row.created_by, row.created_at = actor.user_id, now(session)
            session.add(row)
        if not row.is_on or any(getattr(row, name) != value for name, value in values.items()):
            row.is_on, row.changed_at = True, now(session)
            for name, value in values.items():
                setattr(row, name, value)
        session.flush()
        return _record(session, row, now(session))

    return database.write(work, idempotent=True)


def _checked(
    project_id: int | None, cron: str | None, timezone: str, seconds: int | None, labels: int | None
) -> tuple[str, dict[str, Any]]:
    """Return the trigger's name and the columns it sets."""
    given = {"cron": cron, "interval": seconds, "labels": labels}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise InvalidInput(
            f"expected one of cron expression, interval and number of labels, got {len(named)}; set one at a time"
        )
    if project_id is None and labels is not None:
        raise InvalidInput("expected a time for backups, got a number of labels; set a cron expression or an interval")
    return named[0], {
        "cron": "" if cron is None else slots.check_cron(cron),
        "timezone": "UTC" if cron is None else slots.check_timezone(timezone),
        "seconds": None if seconds is None else slots.check_seconds(seconds),
        "labels": None if labels is None else inputs.integer(labels, "a number of new labels", 1, MOST_LABELS),
    }


def switch(database: Database, actor: Actor, schedule_id: int, on: bool) -> Schedule:
    """Switch a schedule off, or on again; moments while it was off do not count.

    Raises:
        PermissionDenied: below administrator in its project (for backups, everywhere).
        NotFound: if there is no such schedule.
    """

    def work(session: Session) -> Schedule:
        row = _allowed(session, actor, schedule_id)
        if row.is_on != on:
            row.is_on, row.changed_at = on, now(session)
        session.flush()
        return _record(session, row, now(session))

    return database.write(work, idempotent=True)


def remove(database: Database, actor: Actor, schedule_id: int) -> None:
    """Forget a schedule.

    Raises:
        PermissionDenied: below administrator in its project (for backups, everywhere).
        NotFound: if there is no such schedule.
    """
    database.write(lambda session: session.delete(_allowed(session, actor, schedule_id)))


def of_project(database: Database, actor: Actor, project_id: int) -> list[Schedule]:
    """Return when a project retrains by itself, also what is switched off.

    Raises:
        PermissionDenied: below viewer in the project.
    """

    def work(session: Session) -> list[Schedule]:
        authorize(session, actor, project_id, Role.viewer)
        return _records(session, ScheduleRow.project_id == project_id)

    return database.read(work)


def everywhere(database: Database, actor: Actor) -> list[Schedule]:
    """Return the schedules of all projects that are not deleted, and those of backups.

    Raises:
        PermissionDenied: below administrator everywhere.
    """

    def work(session: Session) -> list[Schedule]:
        authorize(session, actor, None, Role.administrator)
        return _records(session, _exists())

    return database.read(work)


def running(database: Database) -> list[Schedule]:
    """Return the schedules that may start something now: switched on, of projects at work.

    It is asked every second, so labels are not counted: `labels_left` is None.
    """
    return database.read(lambda session: _records(session, *_at_work(), counted=False))


def due(database: Database) -> list[DueSlot]:
    """Return the moments that nobody answered yet, at most one a schedule."""

    def work(session: Session) -> list[DueSlot]:
        at = now(session)
        rows = session.scalars(select(ScheduleRow).where(*_at_work()).order_by(ScheduleRow.id)).all()
        found = ((row, _due_slot(session, row, at)) for row in rows)
        return [
            DueSlot(schedule_id=row.id, project_id=row.project_id, kind=row.kind, slot=slot)
            for row, slot in found
            if slot is not None
        ]

    return database.read(work)


def take(database: Database, due: DueSlot) -> bool:
    """Take a moment; of any number that try, one gets True.

    Args:
        database: The store.
        due: The moment; one with a `taken_at` is taken again, after its run died.
    """

    def work(session: Session) -> bool:
        earlier = or_(ScheduleRow.last_slot.is_(None), ScheduleRow.last_slot < due.slot)
        same = (ScheduleRow.last_slot == due.slot) & (ScheduleRow.last_started_at == due.taken_at)
        named = ScheduleRow.id == due.schedule_id, ScheduleRow.is_on, earlier if due.taken_at is None else same
        at = max(now(session), (due.taken_at or 0) + 1)  # never the same moment twice: it tells the takers apart
        values = {"last_slot": due.slot, "last_started_at": at}
        taken = update(ScheduleRow).where(*named).values(values).returning(ScheduleRow.id)
        return session.scalars(taken).one_or_none() is not None

    return database.write(work)


def _allowed(session: Session, actor: Actor, schedule_id: int) -> ScheduleRow:
    row = session.get(ScheduleRow, schedule_id, with_for_update=True)
    authorize(session, actor, row.project_id if row else None, Role.administrator)
    if row is None:
        raise NotFound(f"expected a schedule, got the id {schedule_id} of none; see the list of schedules")
    return row


def _exists() -> ColumnElement[bool]:
    live = select(ProjectRow.id).where(ProjectRow.deleted_at.is_(None))
    return or_(ScheduleRow.project_id.is_(None), ScheduleRow.project_id.in_(live))


def _at_work() -> tuple[ColumnElement[bool], ...]:
    """A paused project waits, a simulation runs by itself."""
    idle = or_(ProjectRow.deleted_at.is_not(None), ProjectRow.state == "paused", ProjectRow.kind != "labeling")
    mine = select(ProjectRow.id).where(ProjectRow.id == ScheduleRow.project_id, idle)
    return ScheduleRow.is_on.is_(True), ~mine.exists()


def _due_slot(session: Session, row: ScheduleRow, at: int) -> int | None:
    if row.trigger == "labels":
        made = _labels(session, row, at_least=_wanted(session, row))
        return made if made >= _wanted(session, row) else None
    slot = _last(row, at)
    return slot if slot is not None and slot > max(row.changed_at, row.last_slot or 0) else None


def _last(row: ScheduleRow, at: int) -> int | None:
    if row.trigger == "cron":
        return slots.last_cron(row.cron, row.timezone, at)
    return slots.last_interval(row.changed_at, row.seconds or 0, at)


def _next(row: ScheduleRow, at: int) -> int | None:
    if row.trigger == "cron":
        return slots.next_cron(row.cron, row.timezone, at)
    return slots.next_interval(row.changed_at, row.seconds or 0, at)


def _wanted(session: Session, row: ScheduleRow) -> int:
    """How many labels start the next retraining."""
    current = ModelVersionRow.project_id == row.project_id, ModelVersionRow.is_current
    used = session.scalars(select(ModelVersionRow.labels_used).where(*current)).one_or_none()
    return max(used or 0, row.last_slot or 0) + (row.labels or 0)


def _labels(session: Session, row: ScheduleRow, at_least: int = 0) -> int:
    """Count what models learn from; a count of the index alone says cheaply when there cannot be enough."""
    mine = LabelTableRow.project_id == row.project_id
    made = session.scalars(select(func.count(LabelTableRow.id)).where(mine)).one()
    if made < at_least:
        return made
    live = SampleRow.project_id == row.project_id, SampleRow.split == "pool", SampleRow.deleted_at.is_(None)
    joined = select(func.count(LabelTableRow.id)).join(SampleRow, SampleRow.id == LabelTableRow.sample_id)
    return session.scalars(joined.where(mine, *live)).one()


def _records(session: Session, *where: ColumnElement[bool], counted: bool = True) -> list[Schedule]:
    at = now(session)
    rows = session.scalars(select(ScheduleRow).where(*where).order_by(ScheduleRow.project_id, ScheduleRow.id)).all()
    return [_record(session, row, at, counted=counted) for row in rows]


def _record(session: Session, row: ScheduleRow, at: int, *, counted: bool = True) -> Schedule:
    next_at = left = None
    if row.is_on and row.trigger == "labels":
        left = max(0, _wanted(session, row) - _labels(session, row)) if counted else None
    elif row.is_on:
        next_at = _due_slot(session, row, at) or _next(row, at)
    same = ("id", "project_id", "kind", "trigger", "cron", "timezone", "seconds", "labels", "is_on", "changed_at")
    fields = {name: getattr(row, name) for name in (*same, "last_slot", "last_started_at")}
    return Schedule(**fields, next_at=next_at, labels_left=left)
