"""Shows the schedules of SQL in Prefect: the deployment `retrain` carries one schedule a project and trigger.

They are a second way to the same run. Which moment is answered, and by whom, is decided in SQL by the flow itself.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from db import schedules
from db.records import Schedule
from flows.prefect_events import EventRelay, send_with
from flows.prefect_runs import cancel_late
from flows.settings import Settings
from flows.store import open_store

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.actions import DeploymentScheduleCreate

logger = logging.getLogger("borderline.prefect")

DEPLOYMENT = "retrain/borderline"
PASS_SECONDS = 1.0
LOOK_AGAIN_PASSES = 60  # somebody may have changed Prefect's copy
LATE = timedelta(minutes=5)

Wanted = Mapping[str, Schedule]


def mirror_until(settings: Settings, stop: threading.Event, seconds: float = PASS_SECONDS) -> None:
    """Carry schedules and events from SQL to Prefect until asked to stop; a server that is down is tried again."""
    from prefect.client.orchestration import get_client

    with open_store(settings, system=True) as store, get_client(sync_client=True) as client:
        relay = EventRelay(send_with(client))
        shown: Wanted | None = None
        passes = 0
        while not stop.wait(seconds):
            try:
                relay.carry(store)
                wanted = wanted_schedules(schedules.running(store.database))
                passes += 1
                if passes % LOOK_AGAIN_PASSES == 0:
                    shown = None
                    cancel_late(client, LATE)
                if not _same(wanted, shown):
                    mirror(client, wanted)
                    shown = wanted
            except Exception as error:
                logger.warning("Prefect could not be told of schedules and labels; it will be: %s", error)
                stop.wait(5 * seconds)


def wanted_schedules(running: list[Schedule]) -> dict[str, Schedule]:
    """Return the schedules that Prefect is to show, by slug: times of retrainings; it has no word for labels."""
    timed = (entry for entry in running if entry.kind == "retrain" and entry.trigger in ("cron", "interval"))
    return {f"project-{entry.project_id}-{entry.trigger}": entry for entry in timed}


def mirror(client: SyncPrefectClient, wanted: Wanted) -> None:
    """Make Prefect's schedules those of SQL: new ones are added, changed ones replaced, others removed."""
    deployment_id = client.read_deployment_by_name(DEPLOYMENT).id
    there = {entry.slug or "": entry for entry in client.read_deployment_schedules(deployment_id)}
    right = {slug for slug, entry in there.items() if slug in wanted and _shows(entry.model_dump(), wanted[slug])}
    for slug in there.keys() - right:
        client.delete_deployment_schedule(deployment_id, there[slug].id)
    for slug in wanted.keys() - right:
        _add(client, deployment_id, slug, wanted[slug])


def _add(client: SyncPrefectClient, deployment_id: UUID, slug: str, schedule: Schedule) -> None:
    """Add one; Prefect may refuse an expression that SQL takes, which then runs by the doorbell alone."""
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        client.create_deployment_schedules(deployment_id, [as_prefect(slug, schedule)])
    except (PrefectHTTPStatusError, ValueError) as error:
        logger.warning("Prefect does not show the schedule %s, which runs all the same: %s", slug, error)


def as_prefect(slug: str, schedule: Schedule) -> DeploymentScheduleCreate:
    """Return a schedule in Prefect's words, with the parameters of its runs."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule

    when: CronSchedule | IntervalSchedule
    if schedule.trigger == "cron":
        when = CronSchedule(cron=schedule.cron, timezone=schedule.timezone)
    else:
        when = IntervalSchedule(interval=timedelta(seconds=schedule.seconds or 0), anchor_date=_anchor(schedule))
    return DeploymentScheduleCreate(schedule=when, active=True, slug=slug, parameters=_parameters(schedule))


def _parameters(schedule: Schedule) -> dict[str, Any]:
    return {"project_id": schedule.project_id, "schedule_id": schedule.id}


def _anchor(schedule: Schedule) -> datetime:
    return datetime.fromtimestamp(schedule.changed_at / 1000, UTC)


def _shows(there: Mapping[str, Any], schedule: Schedule) -> bool:
    if not there["active"] or there["parameters"] != _parameters(schedule):
        return False
    when = {name: there["schedule"].get(name) for name in ("cron", "timezone", "interval", "anchor_date")}
    if schedule.trigger == "cron":
        return (when["cron"], when["timezone"]) == (schedule.cron, schedule.timezone)
    return (when["interval"], when["anchor_date"]) == (timedelta(seconds=schedule.seconds or 0), _anchor(schedule))


def _same(wanted: Wanted, shown: Wanted | None) -> bool:
    """Whether nothing was set since; that a moment was answered changes nothing in Prefect."""
    if shown is None or wanted.keys() != shown.keys():
        return False
    return all(
        (entry.id, entry.changed_at) == (shown[slug].id, shown[slug].changed_at) for slug, entry in wanted.items()
    )
