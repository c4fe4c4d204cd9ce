"""A round with augmentation, killed at every step and run again, ends in the same state as one that never was."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from db import synthetic
from db.records import Project
from db.tables import (
    FileRow,
    GateDecisionRow,
    GeneratorVersionRow,
    LabelTableRow,
    ModelChoiceRow,
    ModelVersionRow,
    QueryRow,
    RoundModelRow,
    RoundRow,
    SyntheticEventRow,
    SyntheticSampleRow,
)
from flows.report import SilentReporter
from flows.rounds import run_round
from flows.settings import Settings
from flows.store import Store, open_store
from pipeline.files import sha256_file
from tests.flows.rare import make_tiny, rare_project

QUIET = SilentReporter()
SKIPPED = ("_at", "seconds", "attempt")
TABLES = (
    FileRow, GateDecisionRow, GeneratorVersionRow, LabelTableRow, ModelChoiceRow, ModelVersionRow, QueryRow,
    RoundModelRow, RoundRow, SyntheticEventRow, SyntheticSampleRow,
)  # fmt: skip
STEPS = {
    "the labels are read": ("flows.augment.read_material", "after"),
    "the gate said what is worth making": ("flows.augment_attempt.not_worth_making", "after"),
    "the pool is read": ("flows.augment_version.read_unlabeled", "after"),
    "the maker is half trained": ("flows.augment_version.show", "after"),
    "the maker is trained": ("flows.augment_version.train_maker", "after"),
    "a class has its images": ("flows.augment_version.make_candidates", "after"),
    "all is on disk": ("flows.augment_version.synthetic.record", "before"),
    "the version is recorded": ("flows.augment_version.synthetic.record", "after"),
    "a class is judged": ("flows.augment_gate.synthetic.record_decision", "before"),
    "a decision is recorded": ("flows.augment_gate.synthetic.record_decision", "after"),
    "the images are there": ("flows.rounds.augment", "after"),
    "the model is trained": ("flows.learning.model_versions.record", "before"),
    "the model is recorded": ("flows.learning.model_versions.record", "after"),
    "the model is current": ("flows.promotion.model_choices.promote", "after"),
    "the round has its model": ("flows.rounds.round_store.set_model", "after"),
    "the pool is ranked": ("flows.rounds.rank", "after"),
    "the queries are about to go out": ("flows.rounds.round_store.enqueue", "before"),
    "the queries are out": ("flows.rounds.round_store.enqueue", "after"),
}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny(monkeypatch)


@contextmanager
def two_homes(settings: Settings, tmp_path: Path, kind: str) -> Iterator[tuple[Store, Store, Project]]:
    """One project in two homes; it has two rare classes, so that a kill can fall between them."""
    homes = [settings.model_copy(update={"home": tmp_path / name}) for name in ("whole", "killed")]
    with open_store(homes[0], system=True) as store:
        labels = {"0": 60, "1": 28, "2": 24}
        project = rare_project(store, generate=kind, generate_below=40, labels=labels)
    shutil.copytree(homes[0].home, homes[1].home)
    with open_store(homes[0], system=True) as whole, open_store(homes[1], system=True) as killed:
        yield whole, killed, project


def break_at(patch: pytest.MonkeyPatch, step: str, die: Callable[[], None]) -> None:
    """Die before or after the first call of a step."""
    target, when = STEPS[step]
    module, _, name = target.rpartition(".")
    package, first, *parts = module.split(".")
    owner = reduce(getattr, parts, import_module(f"{package}.{first}"))
    real = getattr(owner, name)

    def dying(*arguments: Any, **more: Any) -> Any:
        if when == "after":
            real(*arguments, **more)
        die()

    patch.setattr(target, dying)


def interrupt() -> None:
    raise KeyboardInterrupt


def state(store: Store, project: Project) -> dict[str, Any]:
    """All rows without times and without how often they were tried, and the hashes of all files."""
    rows: dict[str, Any] = {}
    with store.database.engine.connect() as connection:
        for table in TABLES:
            found = connection.execute(select(table.__table__)).mappings()
            rows[table.__tablename__] = [_without_times(dict(row)) for row in found]
    folder = store.settings.home / "projects" / str(project.id)
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file() and path.suffix != ".tmp"}
    return {**rows, "on disk": {str(name): sha256_file(path) for name, path in sorted(files.items())}}


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(item) for name, item in value.items() if not name.endswith(SKIPPED)}
    return [_without_times(item) for item in value] if isinstance(value, list) else value


def compare(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        for left, right in zip(one[name], other[name], strict=True):
            assert left == right, name
    assert one["on disk"] == other["on disk"]


@pytest.mark.parametrize("kind", ["gan", "translation"])
def test_killed_at_every_step_it_ends_as_one_that_never_was(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with two_homes(settings, tmp_path, kind) as (whole, killed, project):
        run_round(whole, project.id, QUIET)
        assert len(synthetic.for_training(whole.database, whole.actor, project.id)) == 28
        if kind == "gan":
            kill_a_process(killed, project)
        for step in STEPS:
            with monkeypatch.context() as patch:
                break_at(patch, step, interrupt)
                with pytest.raises(KeyboardInterrupt):
                    run_round(killed, project.id, QUIET)
        run_round(killed, project.id, QUIET)
        compare(state(whole, project), state(killed, project))


def kill_a_process(store: Store, project: Project) -> None:
    """Let another process begin the round, and kill it while it trains a generator."""
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_run_and_die, args=(store.settings.home, project.id))
    child.start()
    child.join(300)
    assert child.exitcode == -signal.SIGKILL
    assert (store.settings.project_folder(project.id, "synthetic") / "round-1-gan.checkpoint").is_file()


def _run_and_die(home: Path, project_id: int) -> None:
    patch = pytest.MonkeyPatch()
    make_tiny(patch)
    break_at(patch, "the maker is half trained", lambda: os.kill(os.getpid(), signal.SIGKILL))
    with open_store(Settings(home=home, device="cpu"), system=True) as store:
        run_round(store, project_id, QUIET)
