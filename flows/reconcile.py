"""Reads what is due from SQL and starts it: the one place that decides, for the doorbell, the schedule and a person."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from db import commands, jobs, rounds, schedules
from db.clock import now
from db.records import DueSlot
from flows.jobs import bury_the_dead
from flows.retries import needs_a_person, rests
from flows.schedules import due_slots, key_of
from flows.settings import BOOT
from flows.store import Store

logger = logging.getLogger(__name__)

COMPARE = "compare"
BACKUP = "backup"


@dataclass(frozen=True)
class DueWork:
    """One flow run that should exist.

    Attributes:
        flow: Name of the flow (and of its deployment).
        project_id: Whose work it is; None for a comparison whose images are not read yet, and for a backup.
        key: Two starts with the same key are one run.
        parameters: What the flow is called with.
        slot: The moment of a schedule that is taken before the start; a retraining takes its own.
    """

    flow: str
    project_id: int | None
    key: str
    parameters: dict[str, Any] = field(default_factory=dict)
    slot: DueSlot | None = None

    @property
    def whose(self) -> str:
        """Say whose work it is."""
        return "of no project yet" if self.project_id is None else f"of project {self.project_id}"


def due_work(store: Store) -> list[DueWork]:
    """Return what should run now: what people asked for on the page, then rounds, then what schedules make due.

    A project does one thing at a time. Work that failed is left to `flows.retries`: infrastructure is tried again, bad
    data waits for a person (``borderline round NAME``), so that it does not keep a machine busy for ever.
    """
    busy = {job.project_id for job in jobs.running(store.database, None)}
    work: list[DueWork] = []
    for item in (*_commanded(store), *_rounds(store), *_scheduled(store)):
        if item.project_id is None or item.project_id not in busy:
            work.append(item)
            busy.add(item.project_id)
    return work


def _rounds(store: Store) -> list[DueWork]:
    """Return the rounds that are due and were not left to a person."""
    work, at = [], store.database.read(now)
    for due in rounds.due(store.database):
        last = jobs.latest(store.database, due.project_id, "round")
        if needs_a_person(last) or rests(last, at):
            continue
        key = f"round-{due.project_id}-{due.number}-{last.id if last else 0}"
        work.append(DueWork("active_learning_round", due.project_id, key, {"project_id": due.project_id}))
    return work


def _scheduled(store: Store) -> list[DueWork]:
    """Return the retrainings and backups whose time has come."""
    work = []
    for slot in due_slots(store):
        key = key_of(store, slot)
        if slot.kind == BACKUP:
            work.append(DueWork(BACKUP, None, key, slot=slot))
        else:
            parameters = {"project_id": slot.project_id, "schedule_id": slot.schedule_id}
            work.append(DueWork("retrain", slot.project_id, key, parameters))
    return work


def _commanded(store: Store) -> list[DueWork]:
    """Turn the command rows that pages wrote into work; a command names its flow."""
    flows = {"ingest": "ingest", "retrain": "retrain", "round": "active_learning_round", COMPARE: COMPARE}
    work = []
    for command in commands.pending(store.database):
        flow = flows.get(command.kind)
        if flow is None or (command.project_id is None and flow != COMPARE):
            commands.finish(
                store.database, command.id, "failed", f"expected one of {', '.join(flows)}, got {command.kind}"
            )
            continue
        parameters = {**command.payload, "project_id": command.project_id, "command_id": command.id}
        if flow == COMPARE:
            parameters = {"options": dict(command.payload), "command_id": command.id}
            if "comparison_id" in command.payload:
                parameters = {"comparison_id": command.payload["comparison_id"], "command_id": command.id}
        work.append(DueWork(flow, command.project_id, f"command-{command.id}", parameters))
    return work


def reconcile(store: Store, start: Callable[[DueWork], bool]) -> list[DueWork]:
    """Start everything that is due and not running; safe to call at any time, from anywhere.

    Args:
        store: The open store.
        start: Starts one flow run; returns whether it was started (or already existed).
    """
    bury_the_dead(store)
    started = []
    for work in due_work(store):
        try:
            if start(work):
                started.append(work)
        except Exception:  # one project's broken work never keeps the others from starting
            logger.exception("%s %s could not be started", work.flow, work.whose)
    return started


def start(store: Store, work: DueWork) -> bool:
    """Start a piece of work: on embedded parts a comparison has a process of its own, all else is a Prefect run."""
    if work.slot is not None and not schedules.take(store.database, work.slot):
        return False  # another took it
    if work.flow == COMPARE and store.settings.prefect_api_url is None:
        from flows.compare.wishes import start_process

        return start_process(store, int(work.parameters["command_id"]))
    return start_deployment(work)


def start_deployment(work: DueWork) -> bool:
    """Create the Prefect flow run of this work, once: the same key gives the same run while it can still run.

    A run that ended without doing the work (crashed before it began its job) must not block its key
    for ever, so a finished one is replaced by a run with the next key.
    """
    from prefect.deployments import run_deployment

    boot = os.environ.get(BOOT, "")  # a run that a killed `up` left pending in Prefect is nobody's: it gets a new one
    for turn in range(100):
        run = run_deployment(
            name=f"{work.flow}/borderline",
            parameters=work.parameters,
            timeout=0,
            idempotency_key=f"{boot}-{work.key}-{turn}",
            as_subflow=False,
        )
        state = getattr(run, "state", None)
        if state is None or not state.is_final():
            return True
        logger.info("the flow run of %s ended (%s) and the work is still due: starting another", work.key, state.name)
    return False
