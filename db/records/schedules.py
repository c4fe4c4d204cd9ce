"""When work runs by itself, and the moments that are due."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a kind of work runs by itself; times are ms since the epoch by the database's clock.

    Attributes:
        id: Of the schedule.
        project_id: Whose retraining; None for backups of everything.
        kind: 'retrain' or 'backup'.
        trigger: 'cron', 'interval' or 'labels'.
        cron: Five fields, for the trigger 'cron'; else empty.
        timezone: IANA name of the zone that the cron fields are read in.
        seconds: Length of the interval.
        labels: How many new labels start a retraining.
        is_on: Whether it runs.
        changed_at: When it was set or switched on; no moment before counts.
        last_slot: The moment (for 'labels', the number of labels) that was answered last.
        last_started_at: When that was.
        next_at: The next moment, for 'cron' and 'interval' that are on; in the past, it is due now.
        labels_left: Labels still to come, for 'labels' that are on; 0, it is due now; None, they were not counted.
    """

    id: int
    project_id: int | None
    kind: str
    trigger: str
    cron: str
    timezone: str
    seconds: int | None
    labels: int | None
    is_on: bool
    changed_at: int
    last_slot: int | None
    last_started_at: int | None
    next_at: int | None
    labels_left: int | None


@dataclass(frozen=True, kw_only=True)
class DueSlot:
    """A moment of a schedule that should be answered by one run.

    Attributes:
        schedule_id: Whose moment.
        project_id: Whose work; None for backups.
        kind: 'retrain' or 'backup'.
        slot: The moment in ms, or the number of labels.
        taken_at: None for a moment that nobody took; when it was taken, for one whose run died and is tried again.
    """

    schedule_id: int
    project_id: int | None
    kind: str
    slot: int
    taken_at: int | None = None
