"""What schedules make due, and the moment that a run answers: taken in SQL, so that two starters are one run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from db import jobs, schedules
from db.clock import now
from db.records import DueSlot, Job, Schedule
from db.schedules import take
from flows.errors import AlreadyRunning
from flows.retries import needs_a_person, rests
from flows.store import Store

__all__ = ["due_slots", "key_of", "once", "take"]

ANSWERED = "Nothing to do: this moment of the schedule was answered already, or the schedule was changed."
WAITS = "Nothing to do yet: other work is under way. It starts by itself when that is done."


def due_slots(store: Store) -> list[DueSlot]:
    """Return the moments to answer now: fresh ones, and those whose run died and is to be tried again.

    A fresh one waits, too, where the newest attempt failed just now: on a full disk a job ends before it takes it.
    """
    fresh, at = schedules.due(store.database), store.database.read(now)
    seen = {slot.schedule_id for slot in fresh}
    tried = (_again(store, entry, at) for entry in schedules.running(store.database) if entry.id not in seen)
    rested = (slot for slot in fresh if not rests(jobs.latest(store.database, slot.project_id, slot.kind), at))
    return [*rested, *(slot for slot in tried if slot is not None)]


def once(store: Store, schedule_id: int, work: Callable[[DueSlot], dict[str, Any]]) -> dict[str, Any]:
    """Run work for the moment of a schedule that is due, if there is one and its project is free.

    Args:
        store: The open store.
        schedule_id: Whose moment.
        work: Begins the job, then takes the moment: whoever dies in between leaves it to the next.

    Returns:
        What the work returned, or `{"skipped": why}`.
    """
    slot = next((slot for slot in due_slots(store) if slot.schedule_id == schedule_id), None)
    if slot is None:
        return {"skipped": ANSWERED}
    if slot.project_id is not None and jobs.running(store.database, slot.project_id):
        return {"skipped": WAITS}
    try:
        return work(slot)
    except AlreadyRunning:  # another starter was faster
        return {"skipped": WAITS}


def key_of(store: Store, slot: DueSlot) -> str:
    """Name the run that answers a moment; after a failed attempt it has another name."""
    last = jobs.latest(store.database, slot.project_id, slot.kind)
    attempt = last.id if last is not None and last.state == "failed" else 0
    return f"schedule-{slot.schedule_id}-{slot.slot}-{attempt}"


def _again(store: Store, schedule: Schedule, at: int) -> DueSlot | None:
    """Return the moment that a schedule took last if its run failed and may be tried again now."""
    last = jobs.latest(store.database, schedule.project_id, schedule.kind)
    if schedule.last_slot is None or last is None or not _answered(schedule, last):
        return None
    if last.state != "failed" or needs_a_person(last) or rests(last, at):
        return None
    return DueSlot(
        schedule_id=schedule.id,
        project_id=schedule.project_id,
        kind=schedule.kind,
        slot=schedule.last_slot,
        taken_at=schedule.last_started_at,
    )


def _answered(schedule: Schedule, last: Job) -> bool:
    """Whether the newest job is the one that answered the schedule's last moment: it took it while it ran."""
    taken = schedule.last_started_at or 0
    return last.started_at <= taken <= (last.ended_at or taken)
