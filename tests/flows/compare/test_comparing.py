"""A comparison keeps every point when it is made: killed, stopped or given again, it ends with the same numbers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from db import comparison_log, comparisons, jobs, projects
from db.comparison_rows import job_kind
from db.records import Comparison
from flows.compare.comparing import Running, begin, go_on
from flows.compare.results import curves_of, result_of
from flows.errors import AlreadyRunning, Canceled, UsageError
from flows.locks import file_lock
from flows.report import SilentReporter
from flows.settings import Settings
from flows.store import Store, open_store
from pipeline.errors import ExperimentError
from pipeline.strategies.uncertainty import Margin
from tests.flows.compare.conftest import IN_PROCESS, QUIET, compared, few_digits, numbers, tiny

WAIT_SECONDS = 240


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A comparison that ran in one go."""
    home = tmp_path_factory.mktemp("unbroken")
    with open_store(Settings(home=home, device="cpu"), system=True) as store:
        compared(store)
        yield store


def only(store: Store) -> Comparison:
    [found] = comparisons.list_comparisons(store.database, store.actor)
    return found


def test_every_point_of_every_run_is_kept(unbroken: Store) -> None:
    found = only(unbroken)
    assert (found.state, found.points_done, found.points_wanted) == ("done", 12, 12)
    runs = comparisons.runs(unbroken.database, unbroken.actor, found.id)
    assert {(run.arm, run.seed, run.state) for run in runs} == {
        (arm, seed, "done") for arm in ("margin+copies", "random_sampling") for seed in (0, 1)
    }
    for run in runs:
        assert [point.labels for point in run.points] == [16, 20, 24]
        assert [len(point.queried) for point in run.points] == [16, 4, 4]
    asked = {(run.arm, run.seed): run.points[0].queried for run in runs}
    assert asked["margin+copies", 0] == asked["random_sampling", 0] != asked["random_sampling", 1]
    assert found.about["device"] == "cpu"
    assert found.about["recipe"]["least_steps"] == 100
    assert found.about["versions"]["torch"]


def test_given_again_it_is_done_at_once(unbroken: Store) -> None:
    before, started = numbers(unbroken, only(unbroken)), time.monotonic()
    assert compared(unbroken).state == "done"
    assert numbers(unbroken, only(unbroken)) == before
    assert time.monotonic() - started < 30
    assert len(projects.list_projects(unbroken.database, unbroken.actor)) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_half_way_it_goes_on_to_the_same_numbers(unbroken: Store, tmp_path: Path, workers: int) -> None:
    command = [sys.executable, "-m", "tests.flows.compare.killing", str(tmp_path), str(workers)]
    killed = subprocess.Popen(command)
    children: list[psutil.Process] = []
    try:
        _until_points(tmp_path, 4, killed)
        children = psutil.Process(killed.pid).children(recursive=True)
    finally:
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
    assert psutil.wait_procs(children, timeout=20)[1] == []  # workers die with it
    with open_store(Settings(home=tmp_path, device="cpu"), system=True) as store:
        there = numbers(store, only(store))
        assert 4 <= sum(map(len, there.values())) < 12
        found = compared(store, running=Running(workers=workers))
        after, whole = numbers(store, found), numbers(unbroken, only(unbroken))
        assert {run: points[: len(there[run])] for run, points in after.items()} == there
        assert after == whole
        assert [curve.area for curve in curves_of(store, found)] == [
            curve.area for curve in curves_of(unbroken, only(unbroken))
        ]
        assert found.state == "done"


def _until_points(home: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "it ended before it could be killed"
        if (home / "borderline.db").exists():
            try:
                with open_store(Settings(home=home, device="cpu"), system=True) as store:
                    every = comparisons.list_comparisons(store.database, store.actor)
            except Exception:  # it is being made
                every = []
            if every and every[0].points_done >= count:
                return
        time.sleep(0.2)
    pytest.fail(f"no {count} points in {WAIT_SECONDS} s")


def test_a_stop_keeps_the_points_and_goes_on_later(unbroken: Store, store: Store) -> None:
    class Stop(SilentReporter):
        def progress(self, done: int, total: int, message: str) -> None:
            if done == 3 and total == 12:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compared(store, reporter=Stop())
    assert (only(store).state, only(store).points_done) == ("stopped", 3)
    assert {run.state for run in comparisons.runs(store.database, store.actor, only(store).id)} <= {"waiting", "done"}
    assert numbers(store, compared(store)) == numbers(unbroken, only(unbroken))


def test_a_stop_that_was_asked_for_on_the_page(store: Store) -> None:
    class Asks(SilentReporter):
        def progress(self, done: int, total: int, message: str) -> None:
            if done == 2 and total == 12:
                comparisons.request_stop(store.database, store.actor, only(store).id)
                [job] = jobs.running(store.database)
                assert job.kind == job_kind(only(store).id)
                assert not jobs.heartbeat(store.database, job)

    with pytest.raises(Canceled):
        compared(store, reporter=Asks())
    assert only(store).state == "stopped"
    assert only(store).points_done < 12


def test_two_processes_never_carry_out_one_comparison(store: Store) -> None:
    few_digits(store)
    found = begin(store, tiny(), QUIET)
    with (
        file_lock(store.settings.run_folder / f"{job_kind(found.id)}.lock"),
        pytest.raises(AlreadyRunning, match="running already"),
    ):
        go_on(store, found.id, IN_PROCESS, QUIET)
    assert comparisons.get(store.database, store.actor, found.id).points_done == 0


def test_an_arm_that_cannot_go_on_leaves_the_others_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    few_digits(store)
    found = begin(store, tiny(strategies=("margin", "random_sampling"), seeds=(0,)), QUIET)
    whole = Margin.select

    def fails(self: Margin, context: object, count: int) -> object:
        raise ExperimentError("expected memory, got none")

    monkeypatch.setattr(Margin, "select", fails)
    ended = go_on(store, found.id, IN_PROCESS, QUIET)
    assert ended.state == "failed"
    assert "margin, seed 0: expected memory, got none" in ended.note
    states = {run.arm: (run.state, len(run.points)) for run in comparisons.runs(store.database, store.actor, found.id)}
    assert states == {"margin": ("failed", 1), "random_sampling": ("done", 3)}
    monkeypatch.setattr(Margin, "select", whole)
    assert go_on(store, found.id, IN_PROCESS, QUIET).state == "done"


def test_it_goes_on_where_it_began_and_nowhere_else(store: Store) -> None:
    few_digits(store)
    found = begin(store, tiny(), QUIET)
    comparison_log.add_about(store.database, store.actor, found.id, {"device": "cuda"})
    with pytest.raises(UsageError, match="--device cuda"):
        go_on(store, found.id, IN_PROCESS, QUIET)


def test_what_cannot_be_is_found_before_any_work(store: Store) -> None:
    few_digits(store)
    with pytest.raises(ExperimentError, match="labels"):
        begin(store, tiny(labels=10_000), QUIET)
    assert comparisons.list_comparisons(store.database, store.actor) == []


def test_the_result_as_json_has_the_promised_form(unbroken: Store) -> None:
    result = result_of(unbroken, only(unbroken))
    assert {"arms", "paired", "verdict", "device", "versions"} <= set(result)
    assert {"strategy", "seeds", "area", "curve"} <= set(result["arms"][0])
    assert {"labels", "mean", "low", "high"} <= set(result["arms"][0]["curve"][0])
    assert {"a", "b", "difference", "low", "high", "p"} <= set(result["paired"][0])
    assert result["comparison"] == only(unbroken).id
