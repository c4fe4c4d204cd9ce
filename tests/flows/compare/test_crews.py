"""Who carries out the units changes nothing about the numbers, and a worker that is lost is told in one sentence."""

from __future__ import annotations

import builtins
import importlib.util
import os
import signal
from typing import Any

import psutil
import pytest

from db import comparisons
from flows.compare.comparing import Running, begin, go_on
from flows.compare.crews import InProcess, cores, make_crew
from flows.compare.processes import Processes
from flows.errors import FlowError, UsageError
from flows.report import SilentReporter
from flows.store import Store
from tests.flows.compare.conftest import QUIET, compared, few_digits, numbers, tiny

SHORT: dict[str, Any] = {"labels": 20, "seeds": (0,)}  # two arms, one seed, two points each


def crew(**changes: Any) -> Any:
    return make_crew(**{"runner": "local", "workers": 0, "units": 9, "device": "cpu", "check": lambda: None, **changes})


def test_workers_are_one_a_core_and_never_more_than_units() -> None:
    with crew(workers=3) as made:
        assert isinstance(made, Processes)
        assert made.size == 3
    assert isinstance(crew(units=1), InProcess)
    assert isinstance(crew(workers=1), InProcess)
    assert isinstance(crew(device="cuda"), InProcess)
    assert cores() >= 1
    with pytest.raises(UsageError, match="1 worker on a GPU"):
        crew(device="cuda", workers=2)


def test_without_ray_the_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("ray"):
            raise ImportError(name)
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"borderline\[cluster\]"):
        crew(runner="ray")


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_ray_gives_the_same_numbers(store: Store, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")  # noqa: S108 - sockets need a short path
    plain = numbers(store, compared(store, tiny(**SHORT)))
    [found] = comparisons.list_comparisons(store.database, store.actor)
    comparisons.delete(store.database, store.actor, found.id)
    by_ray = compared(store, tiny(**SHORT), Running(runner="ray", workers=1))
    assert by_ray.state == "done"
    assert by_ray.id != found.id
    assert numbers(store, by_ray) == plain


def test_a_transfer_trains_on_what_was_chosen(store: Store) -> None:
    options = tiny(**SHORT, strategies=("margin",), transfer=("lenet5", "convnet"))
    found = compared(store, options, Running(workers=2))
    assert found.state == "done"
    made = numbers(store, found)
    assert set(made) == {("margin", 0), ("margin to convnet", 0)}
    asks, trains = made["margin", 0], made["margin to convnet", 0]
    assert [point[-1] for point in asks] == [point[-1] for point in trains]  # the same queries
    assert [point[1] for point in asks] != [point[1] for point in trains]
    assert set(found.about["recipes"]) == {"lenet5", "convnet"}


def workers() -> set[psutil.Process]:
    """Return the processes that this one has spawned; other tests may have left some of theirs."""
    children = psutil.Process().children(recursive=True)
    return {child for child in children if "multiprocessing.spawn" in " ".join(child.cmdline())}


def test_a_worker_that_is_killed(store: Store) -> None:
    before = workers()

    class Kills(SilentReporter):
        killed = 0

        def progress(self, done: int, total: int, message: str) -> None:
            if done >= 1 and not self.killed:  # several points may come at once
                self.killed = min(process.pid for process in workers() - before)
                os.kill(self.killed, signal.SIGKILL)

    few_digits(store)
    found = begin(store, tiny(labels=96), QUIET)  # so many points that no worker is through when one is killed
    with pytest.raises(FlowError, match="a worker was killed"):
        go_on(store, found.id, Running(workers=2), Kills())
    now = comparisons.get(store.database, store.actor, found.id)
    assert now.state == "failed"
    assert "--workers" in now.note
    assert now.points_done >= 1
