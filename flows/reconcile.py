"""Reads what is due from SQL and starts it: the one place that decides, for the doorbell, the schedule and a person."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from db import commands, jobs, rounds
from db.records import Job
from flows.jobs import KILLED, bury_the_dead
from flows.settings import BOOT
from flows.store import Store

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
MAX_KILLED_ATTEMPTS = 20
COMPARE = "compare"


@dataclass(frozen=True)
class DueWork:
    """One flow run that should exist.

    Attributes:
        flow: Name of the flow (and of its deployment).
        project_id: Whose work it is; None for a comparison whose images are not read yet.
        key: Two starts with the same key are one run.
        parameters: What the flow is called with.
    """

    flow: str
    project_id: int | None
    key: str
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def whose(self) -> str:
        """Say whose work it is."""
        return "of no project yet" if self.project_id is None else f"of project {self.project_id}"


def due_work(store: Store) -> list[DueWork]:
    """Return the rounds that should run now and the commands that people gave on the page.

    A project with a live job waits; a round that failed three times in a row waits for a person
    (``borderline round NAME``), so that broken data does not keep a machine busy for ever.
    """
    busy = {job.project_id for job in jobs.running(store.database, None)}
    work = [item for item in _commanded(store) if item.project_id is None or item.project_id not in busy]
    commanded = {item.project_id for item in work}
    for due in rounds.due(store.database):
        last = jobs.latest(store.database, due.project_id, "round")
        if due.project_id in busy or due.project_id in commanded or needs_a_person(last):
            continue
        key = f"round-{due.project_id}-{due.number}-{last.id if last else 0}"
        work.append(DueWork("active_learning_round", due.project_id, key, {"project_id": due.project_id}))
    return work


def needs_a_person(last: Job | None) -> bool:
    """Tell whether a project's rounds failed so often in a row that trying again by itself helps nobody.

    A process that was killed is no fault of the data, so it is taken up more often than one that raised. What a person
    canceled waits until a person starts it again, else it would be back within a second.
    """
    if last is not None and last.state == "canceled":
        return True
    if last is None or last.state != "failed":
        return False
    return last.attempt >= (MAX_KILLED_ATTEMPTS if last.error == KILLED else MAX_ATTEMPTS)


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
