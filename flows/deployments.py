"""The Prefect flows: a few lines each that read as the work does; the work itself is in plain functions beside."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial, wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from db.records import DueSlot
from flows import reconcile as reconciling
from flows import rounds, schedules
from flows.answering import answering
from flows.backup import KIND as BACKUP
from flows.backup import back_up
from flows.compare.wishes import carry_out
from flows.errors import AlreadyRunning
from flows.ingest import IngestOptions, ingest_source
from flows.jobs import working
from flows.page_sources import clear_inbox, require_allowed
from flows.report import ArtifactReporter, Reporter
from flows.retrain import retrain_project
from flows.run_artifacts import leave_artifacts
from flows.store import Store, open_store
from flows.webhooks import relay
from flows.words import ingest_words

# Tasks take and return ids alone; the store and the job, which Prefect must not look into, come by this variable.
_work: ContextVar[tuple[Store, Reporter]] = ContextVar("work")
_Given = ParamSpec("_Given")


def skips_what_runs(work: Callable[_Given, dict[str, Any]]) -> Callable[_Given, dict[str, Any]]:
    """Let a second run of the same work end well: two workers may each start one, and the first has begun it."""

    @wraps(work)
    def run(*args: _Given.args, **kwargs: _Given.kwargs) -> dict[str, Any]:
        try:
            return work(*args, **kwargs)
        except AlreadyRunning as error:
            return {"skipped": str(error)}

    return run


@task(cache_policy=NO_CACHE)
def begin(project_id: int) -> int | None:
    """Close the round whose answers are in; return the id of the next, or None when everything was asked."""
    return rounds.begin(_work.get()[0], project_id)


@task(cache_policy=NO_CACHE)
def augment(round_id: int) -> tuple[str, ...]:
    """Make images for classes with few labels, through the gate; return what to tell about them."""
    store, job = _work.get()
    return rounds.augment(store, round_id, job)


@task(cache_policy=NO_CACHE)
def train(round_id: int) -> int | None:
    """Train the round's model on the labels of today; return the id of its version."""
    store, job = _work.get()
    return rounds.train(store, round_id, job)


@task(cache_policy=NO_CACHE)
def ask(round_id: int, made: tuple[str, ...] = ()) -> int:
    """Rank the pool and enqueue the next queries with their reserve; return how many."""
    store, job = _work.get()
    return rounds.ask(store, round_id, job, made=made)


@flow(name="active_learning_round")
@skips_what_runs
def active_learning_round(project_id: int, command_id: int | None = None) -> dict[str, Any]:
    """Augment, retrain, rank, enqueue: one turn of the loop."""
    with (
        open_store(system=True) as store,
        answering(store, command_id),
        working(store, project_id, "round", ArtifactReporter()) as job,
    ):
        _work.set((store, job))
        round_id = begin(project_id)
        if round_id is None:
            return {"finished": True}
        made = augment(round_id)
        version_id, queries = train(round_id), ask(round_id, made)
        sentence = f"The round is open with {queries} queries." if queries else "The round waits for answers."
        leave_artifacts(store, project_id, version_id, sentence)
        return {"round_id": round_id, "model_version_id": version_id, "queries": queries}


@flow(name="retrain")
@skips_what_runs
def retrain(project_id: int, command_id: int | None = None, schedule_id: int | None = None) -> dict[str, Any]:
    """Train on the labels of today; the project's rule decides whether the new version is used.

    Args:
        project_id: Whose labels.
        command_id: Of the wish on the page that is answered at the end.
        schedule_id: Of the schedule whose moment this run answers; one that was answered meanwhile trains nothing.
    """
    with open_store(system=True) as store:
        if schedule_id is None:
            return _retrain(store, project_id, command_id)
        return schedules.once(store, schedule_id, lambda slot: _retrain(store, project_id, None, slot))


def _retrain(store: Store, project_id: int, command_id: int | None, slot: DueSlot | None = None) -> dict[str, Any]:
    with (
        answering(store, command_id) as said,
        working(store, project_id, "retrain", ArtifactReporter()) as job,
    ):
        if slot is not None and not schedules.take(store.database, slot):
            return {"skipped": schedules.ANSWERED}
        outcome = retrain_project(store, project_id, job)
        said.append(outcome.sentence)
        leave_artifacts(store, project_id, outcome.model_version_id, outcome.sentence)
        return {"model_version_id": outcome.model_version_id, "promoted": outcome.promoted}


@flow(name="ingest")
@skips_what_runs
def ingest(
    project_id: int,
    source: str,
    split: str | None = None,
    labels: Literal["use", "hide", "ignore"] = "use",
    copy_files: bool = False,
    command_id: int | None = None,
) -> dict[str, Any]:
    """Read images into a project; an upload's own folder is emptied when they are in."""
    with (
        open_store(system=True) as store,
        answering(store, command_id) as said,
        working(store, project_id, "ingest", ArtifactReporter()) as job,
    ):
        if command_id is not None:
            require_allowed(store.settings, source)
        options = IngestOptions(split=split, labels=labels, copy=copy_files)
        report = ingest_source(store, project_id, source, options, job)
        said.extend(ingest_words(report))
        outcome = {"added": report.added, "rejected": len(report.rejected)}
    clear_inbox(Path(source))  # after the answer is in SQL: a kill in between leaves files, not a wrong answer
    return outcome


@flow(name="compare")
@skips_what_runs
def compare(
    options: dict[str, Any] | None = None, comparison_id: int | None = None, command_id: int | None = None
) -> dict[str, Any]:
    """Compare strategies on data whose labels are known, or go on with a comparison; takes hours, may be killed.

    Args:
        options: What is compared, by the names of the command line; lists for strategies and seeds.
        comparison_id: Of one that was begun before, instead.
        command_id: Of the wish on the page that is answered at the end.
    """
    wish = {"comparison_id": comparison_id} if comparison_id is not None else options or {}
    with open_store(system=True) as store, answering(store, command_id) as said:
        number = carry_out(store, wish, ArtifactReporter())
        said.append(f"Comparison {number} is done.")
        return {"comparison_id": number}


@flow(name="backup")
@skips_what_runs
def backup(command_id: int | None = None, schedule_id: int | None = None) -> dict[str, Any]:
    """Save all rows and files into the folder of backups, as the settings say.

    Args:
        command_id: Of the wish that is answered at the end.
        schedule_id: Of the schedule whose moment this run answers; one that was answered meanwhile saves nothing.
    """
    with open_store(system=True) as store:
        if schedule_id is None:
            return _back_up(store, command_id)
        return schedules.once(store, schedule_id, lambda slot: _back_up(store, None, slot))


def _back_up(store: Store, command_id: int | None, slot: DueSlot | None = None) -> dict[str, Any]:
    with (
        answering(store, command_id) as said,
        working(store, None, BACKUP, ArtifactReporter()) as job,
    ):
        if slot is not None and not schedules.take(store.database, slot):
            return {"skipped": schedules.ANSWERED}
        report = back_up(store, store.settings.backups, job, keep=store.settings.backup_keep)
        report.require_whole()
        said.append(f"Everything is in {report.folder}.")
        return {"backup": report.folder.name}


@flow(name="reconcile")
def reconcile() -> dict[str, Any]:
    """Read SQL and start what is due; what was lost between two processes is found here, messages to others too."""
    with open_store(system=True) as store:
        started = reconciling.reconcile(store, partial(reconciling.start, store))
        relay(store)
        return {"started": [f"{work.flow} {work.whose}" for work in started]}
