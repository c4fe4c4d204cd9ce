"""Carries out a comparison: begins it or finds it again, runs what is missing, keeps every point when it is made."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from importlib.metadata import version

from db import comparison_log, comparisons, projects
from db.comparison_rows import job_kind
from db.records import Comparison, ComparisonPoint, NewComparison, Project
from flows.compare.cleaning import clear_runs
from flows.compare.crews import Runner, make_crew
from flows.compare.extras import make_extras
from flows.compare.images import folder_of, open_index, prepare, write_index
from flows.compare.ledger import Ledger
from flows.compare.options import CompareOptions, settings_of
from flows.compare.recipes import recipes_of
from flows.compare.schedule import go_through
from flows.devices import comparison_slot
from flows.errors import AlreadyRunning, Canceled, UsageError
from flows.jobs import describe, working
from flows.learning import device_of
from flows.locks import file_lock
from flows.report import Reporter
from flows.store import Store
from pipeline.experiment.planning import arms, label_counts, plan

OnPoint = Callable[[str, int, ComparisonPoint], None]
_STOPPED = "It was stopped; it goes on where it stopped."


@dataclass(frozen=True, kw_only=True)
class Running:
    """How a comparison is carried out; none of it changes a result.

    Attributes:
        runner: 'local' (processes of this machine) or 'ray'.
        workers: At a time; 0 is one a core.
        device: 'cpu' or 'cuda'; None takes that of the settings.
        address: Of a Ray cluster; None starts Ray here.
    """

    runner: Runner = "local"
    workers: int = 0
    device: str | None = None
    address: str | None = None


def begin(store: Store, options: CompareOptions, reporter: Reporter) -> Comparison:
    """Read the images, check that every arm can work, and return the comparison: a new one, or the one of before.

    Raises:
        UsageError: The data set cannot be used.
        PipelineError: An arm cannot work with this network or these images; nothing was written then.
    """
    from pipeline.experiment.checking import check

    settings = options.settings
    project = prepare(store, options, reporter)
    reporter.progress(0, 0, "checking that every strategy works")
    data = open_index(write_index(store, project))
    check(settings, data)
    stored = {**options.stored, "image_size": project.image_size, "channels": project.channels}
    text = json.dumps([stored | {"dataset": project.name}, data.fingerprint()], sort_keys=True)
    new = NewComparison(
        name=_name(options, project),
        key=hashlib.sha256(text.encode()).hexdigest(),
        settings=stored,
        runs=tuple((arm.name, seed) for arm in arms(settings) for seed in settings.seeds),
        points_wanted=len(arms(settings)) * len(settings.seeds) * len(label_counts(settings)),
    )
    found = comparisons.start_or_find(store.database, store.actor, project.id, new)
    if options.data_dir is None:
        return found
    about = {"data_dir": str(options.data_dir.absolute())}  # to give the command again; the folder decides nothing
    return comparison_log.add_about(store.database, store.actor, found.id, about)


def _name(options: CompareOptions, project: Project) -> str:
    settings = options.settings
    data = project.name if options.dataset == project.name else options.dataset.rstrip("/").rpartition("/")[2]
    parts = [data[-60:], settings.model if settings.transfer is None else " to ".join(settings.transfer)]
    parts += [f"{settings.labels} labels", f"{len(settings.seeds)} seeds"]
    parts += ["paper protocol"] if settings.protocol == "paper" else []
    return ", ".join(parts)


def go_on(
    store: Store,
    comparison_id: int,
    running: Running,
    reporter: Reporter,
    on_point: OnPoint = lambda arm, seed, point: None,
) -> Comparison:
    """Run what a comparison still misses; one that is done is returned as it is.

    Args:
        store: The open store.
        comparison_id: Which one.
        running: Where and with how many workers.
        reporter: Receives the progress; raising stops, and so does `comparisons.request_stop`.
        on_point: Called with (arm, seed, point) for every new point, once it is in SQL.

    Returns:
        The comparison: 'done', or 'failed' if some runs could not go on, with the reason in its note.

    Raises:
        AlreadyRunning: Another process carries it out.
        Canceled: It was stopped; it goes on where it stopped.
        UsageError: It began on another kind of device.
    """
    found = comparisons.get(store.database, store.actor, comparison_id)
    if found.state == "done":
        return found
    with file_lock(store.settings.run_folder / f"{job_kind(found.id)}.lock", wait=False) as held:
        if not held:
            raise AlreadyRunning("this comparison is running already; do: wait for it, or stop it on the Compare page")
        with working(store, found.project_id, job_kind(found.id), reporter) as job:
            return _carry_out(store, found, running, job, on_point)


def _carry_out(store: Store, found: Comparison, running: Running, reporter: Reporter, on_point: OnPoint) -> Comparison:
    comparison_log.set_state(store.database, store.actor, found.id, "running")
    try:
        failed = _work(store, found, running, reporter, on_point)
    except (Canceled, KeyboardInterrupt):
        comparison_log.set_state(store.database, store.actor, found.id, "stopped", _STOPPED)
        raise
    except BaseException as error:
        comparison_log.set_state(store.database, store.actor, found.id, "failed", describe(error))
        raise
    if failed:
        note = "; ".join(f"{name}: {error}" for name, error in failed.items())
        comparison_log.set_state(store.database, store.actor, found.id, "failed", note[:2000])
    else:
        comparison_log.set_state(store.database, store.actor, found.id, "done")
        clear_runs(store, found)
    return comparisons.get(store.database, store.actor, found.id)


def _work(store: Store, found: Comparison, running: Running, reporter: Reporter, on_point: OnPoint) -> dict[str, str]:
    """Make the missing points and what pages show beyond them; return the runs that failed, with their reasons."""
    project = projects.get_project(store.database, store.actor, found.project_id)
    settings = settings_of(found.settings)
    device = _device(store, found, running)
    _tell_about(store, found, running, device)
    ledger = Ledger(store, found, settings, reporter, on_point)
    with comparison_slot(store, device, ledger.check) if running.runner == "local" else nullcontext():
        _compute(store, found, running, device, ledger, reporter)
    make_extras(store, project, comparisons.get(store.database, store.actor, found.id), reporter)
    return ledger.failed


def _compute(
    store: Store, found: Comparison, running: Running, device: str, ledger: Ledger, reporter: Reporter
) -> None:
    """Let a crew carry out the units that are not finished."""
    project = projects.get_project(store.database, store.actor, found.project_id)
    settings, index = settings_of(found.settings), write_index(store, project)
    recipes = recipes_of(store, found, open_index(index), settings, device, reporter)
    folder = folder_of(store, project.id) / str(found.id)
    units = [unit for unit in plan(settings, together=1 if device == "cpu" else None) if not ledger.finished(unit)]
    crew = make_crew(
        running.runner,
        workers=running.workers,
        units=len(units),
        device=device,
        check=ledger.check,
        address=running.address,
    )
    with crew:
        go_through(
            units, crew, ledger, lambda unit, number: ledger.work_of(unit, number, index, recipes, folder, device)
        )


def _device(store: Store, found: Comparison, running: Running) -> str:
    """Return where to compute: results of two kinds of device are not those of one comparison.

    Raises:
        UsageError: It began on another kind.
    """
    asked = running.device or store.settings.device
    device = str(device_of(Store(store.settings.model_copy(update={"device": asked}), store.database, store.actor)))
    before = str(found.about.get("device", device))
    if before.partition(":")[0] != device.partition(":")[0]:
        raise UsageError(
            f"expected to go on with {before}, where this comparison began, got {device}; do: --device {before}, "
            f"or delete it (borderline comparisons delete {found.id})"
        )
    return device


def _tell_about(store: Store, found: Comparison, running: Running, device: str) -> None:
    """Write down with what it runs; after an upgrade it says so for the points that come."""
    packages = ("borderline", "torch", "torchvision", "numpy")
    about = {
        "device": device,
        "device_name": _device_name(device),
        "machine": platform.platform(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "running": {name: value for name, value in asdict(running).items() if value is not None},
    }
    comparison_log.add_about(store.database, store.actor, found.id, about)


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        import torch

        return str(torch.cuda.get_device_name(device))
    return platform.processor() or platform.machine()
