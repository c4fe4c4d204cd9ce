"""Reads what is due from SQL and starts it: the one place that decides, for the doorbell, the schedule and a person."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from db import commands, jobs, projects, rounds
from db.clock import now
from flows.errors import FlowError
from flows.jobs import bury_the_dead
from flows.recent import Recent
from flows.retries import needs_a_person, rests
from flows.schedules import due_slots, key_of
from flows.settings import BOOT
from flows.store import Store

logger = logging.getLogger(__name__)

COMPARE = "compare"
MOST_RUNS = 100  # of one piece of work that ended before they began it
_BY_HAND = {
    "active_learning_round": "borderline round {}",
    "retrain": "borderline retrain {}",
    "backup": "borderline backup",
}


class GivenUp(FlowError):
    """Run after run of a piece of work ended before it began: more of them would help nobody."""


@dataclass(frozen=True)
class DueWork:
    """One flow run that should exist.

    Attributes:
        flow: Name of the flow (and of its deployment).
        project_id: Whose work it is; None for a comparison whose images are not read yet, and for a backup.
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
    """Return what should run now: what people asked for on the page, then rounds, then what schedules make due.

    A project does one thing at a time, and there is one backup at a time. Work that failed is left to `flows.retries`:
    infrastructure is tried again, bad data waits for a person (``borderline round NAME``), so that it does not keep a
    machine busy for ever.
    """
    busy = {job.project_id or job.kind for job in jobs.running(store.database, None)}
    work: list[DueWork] = []
    for item in (*_commanded(store), *_rounds(store), *_scheduled(store)):
        lane = item.project_id or item.flow
        if lane == COMPARE or lane not in busy:
            work.append(item)
            busy.add(lane)
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
    """Return the retrainings and backups whose time has come; each takes its moment when it has begun."""
    work = []
    for slot in due_slots(store):
        parameters: dict[str, Any] = {"schedule_id": slot.schedule_id}
        if slot.project_id is not None:
            parameters["project_id"] = slot.project_id
        work.append(DueWork(slot.kind, slot.project_id, key_of(store, slot), parameters))
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


def start(store: Store, work: DueWork, given_up: Recent | None = None) -> bool:
    """Start a piece of work: on embedded parts a comparison has a process of its own, all else is a Prefect run.

    Args:
        store: The open store.
        work: What is due.
        given_up: Remembers what this caller starts no more.

    Returns:
        Whether it runs, or will.
    """
    if given_up is not None and work.key in given_up:
        return False
    if work.flow == COMPARE and store.settings.prefect_api_url is None:
        from flows.compare.wishes import start_process

        return start_process(store, int(work.parameters["command_id"]))
    try:
        start_deployment(work)
    except GivenUp as error:
        _leave_to_a_person(store, work, error)
        if given_up is not None:
            given_up.add(work.key)
        return False
    return True


def _leave_to_a_person(store: Store, work: DueWork, error: GivenUp) -> None:
    name = projects.get_project(store.database, store.actor, work.project_id).name if work.project_id else ""
    command = _BY_HAND.get(work.flow, "ask for it again").format(shlex.quote(name))
    sentence = f"{error}; do: read the log of the flow runner, then {command}"
    logger.error("%s %s waits for a person: %s", work.flow, work.whose, sentence)
    if "command_id" in work.parameters:
        commands.finish(store.database, int(work.parameters["command_id"]), "failed", sentence)


def start_deployment(work: DueWork) -> None:
    """Create the Prefect flow run of this work, once: the same key gives the same run while it can still run.

    A run that ended without doing the work (crashed before it began its job) must not block its key
    for ever, so a finished one is replaced by a run with the next key.

    Raises:
        GivenUp: So many runs ended without doing it that something else is wrong.
    """
    from prefect.deployments import run_deployment

    boot = os.environ.get(BOOT, "")  # a run that a killed `up` left pending in Prefect is nobody's: it gets a new one
    for turn in range(MOST_RUNS):
        run = run_deployment(
            name=f"{work.flow}/borderline",
            parameters=work.parameters,
            timeout=0,
            idempotency_key=f"{boot}-{work.key}-{turn}",
            as_subflow=False,
        )
        state = getattr(run, "state", None)
        if state is None or not state.is_final():
            return
        logger.info("the flow run of %s ended (%s) and the work is still due: starting another", work.key, state.name)
    raise GivenUp(f"expected a run that begins its work, got {MOST_RUNS} that ended before they did")
