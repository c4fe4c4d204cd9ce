"""A comparison of two arms, two seeds and three points each, on a few hundred digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from db import comparisons, projects
from db.records import Comparison
from flows.compare.comparing import Running, begin, go_on
from flows.compare.options import CompareOptions, checked
from flows.report import Reporter, SilentReporter
from flows.store import Store
from pipeline.experiment.records import Settings
from tests.flows.conftest import make_project, read_digits, run, settings, store

__all__ = ["run", "settings", "store"]

IN_PROCESS = Running(workers=1)
QUIET = SilentReporter()
DATA = "few digits"


def tiny(**changes: Any) -> CompareOptions:
    """Two arms, two seeds, three points each."""
    fields: dict[str, Any] = {
        "strategies": ("margin+copies", "random_sampling"), "model": "lenet5", "labels": 24, "batch": 4,
        "seed_labels": 16, "seeds": (0, 1), "recipe": "quick",
    }  # fmt: skip
    data = changes.pop("dataset", DATA)
    return checked(CompareOptions(settings=Settings(**{**fields, **changes}), dataset=data))


def few_digits(store: Store) -> None:
    """Make the project that the comparison's data are, unless it is there."""
    if not any(project.name == DATA for project in projects.list_projects(store.database, store.actor)):
        read_digits(store, make_project(store, DATA, kind="simulation", image_size=28, channels=1))


def compared(
    store: Store, options: CompareOptions | None = None, running: Running = IN_PROCESS, reporter: Reporter = QUIET
) -> Comparison:
    """Carry a comparison out."""
    few_digits(store)
    found = begin(store, options or tiny(), reporter)
    return go_on(store, found.id, running, reporter)


def numbers(store: Store, found: Comparison) -> dict[tuple[str, int], list[tuple[Any, ...]]]:
    """Everything of the points but times."""
    return {
        (run.arm, run.seed): [
            (point.labels, point.accuracy, point.class_recall, point.class_labels, point.queried)
            for point in run.points
        ]
        for run in comparisons.runs(store.database, store.actor, found.id)
    }


def home_of(store: Store) -> Path:
    return store.settings.home
