"""A training in two processes, as flows start it: killed, canceled, left alone by its flow, shared by two hosts."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from pydantic import ValidationError

from db import model_versions
from flows.distributed import Launch, TrainingLost, clear_left_over, launch_of, result_of, train_together
from flows.errors import Canceled, UsageError
from flows.locks import file_lock
from flows.processes import any_port
from flows.report import SilentReporter, Unpictured
from flows.settings import Settings
from flows.store import Store
from flows.training_host import train_along
from pipeline.errors import TrainingError
from pipeline.training import work_order, worker
from pipeline.training.recipes import RECIPES
from pipeline.training.supervised import train
from pipeline.training.work_order import WorkOrder
from tests.flows.conftest import Said, make_project, read_digits
from tests.pipeline.toys import CPU
from tests.pipeline.training.together import RECIPE, digits, of_name

TWO = Launch(devices=2, nodes=1)


class Watcher(Unpictured):
    """Calls a function with each progress."""

    def __init__(self, watch: Callable[[int, int], None]) -> None:
        self.watch = watch

    def progress(self, done: int, total: int, message: str) -> None:
        self.watch(done, total)


def order(folder: Path, steps: int = 24, **changes: object) -> WorkOrder:
    recipe = replace(RECIPE, least_steps=steps, most_steps=steps, window=50, patience=0)
    given = {"recipe": recipe, "seed": 3, "accelerator": "cpu", "checkpoint": folder / "run.checkpoint", **changes}
    return WorkOrder(model=of_name("lenet5"), images={"labeled": digits(0, 120, rare=1)}, **given)


def trainers(of: int | None = None) -> list[psutil.Process]:
    """Return torchrun and the processes that train below a process: this one if not told otherwise."""
    below = psutil.Process(of).children(recursive=True)
    return [one for one in below if any("pipeline.training.worker" in part for part in told(one, "cmdline"))]


def told(process: psutil.Process, what: str) -> Any:
    """Return what a process says of itself; nothing if it is gone."""
    try:
        return getattr(process, what)()
    except psutil.Error:
        return ()


def saved_step(checkpoint: Path) -> int:
    if not checkpoint.exists():
        return 0
    data = checkpoint.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return int(json.loads(json.loads(header["__metadata__"]["borderline"])["state"])["step"])


def until(condition: Callable[[], object], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def alone(folder: Path, steps: int) -> dict[str, torch.Tensor]:
    """Return the weights that one process comes to."""
    wanted = order(folder, steps)
    train(wanted.model, wanted.images["labeled"], wanted.recipe, seed=wanted.seed, device=CPU)
    return wanted.model.state_dict()


def furthest(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def test_a_killed_process_fails_the_training_and_the_next_attempt_goes_on(settings: Settings, tmp_path: Path) -> None:
    wanted = order(tmp_path, 200, checkpoint_seconds=0.0)

    def kill_the_second(*_: int) -> None:
        for one in trainers() if saved_step(wanted.checkpoint) >= 30 else ():
            if (told(one, "environ") or {}).get("RANK") == "1":
                one.kill()

    with pytest.raises(TrainingLost, match="goes on from its checkpoint"):
        train_together(settings, TWO, wanted, Watcher(kill_the_second))
    assert trainers() == []
    steps: list[int] = []
    again = order(tmp_path, 200)
    report = train_together(settings, TWO, again, Watcher(lambda done, _: steps.append(done)))
    assert next(filter(None, steps)) > 20  # every 20 steps they tell: 20 would be a new beginning
    assert report.steps == 200
    assert report.device == "2 x cpu"
    assert furthest(again.model.state_dict(), alone(tmp_path, 200)) < 0.02  # float32, and Adam makes much of nothing
    assert list((settings.run_folder / "training").iterdir()) == []


def test_cancel_ends_the_processes(settings: Settings, tmp_path: Path) -> None:
    def cancel(*_: int) -> None:
        if len(trainers()) == 3:
            raise Canceled("enough")

    with pytest.raises(Canceled):
        train_together(settings, TWO, order(tmp_path, 5000), Watcher(cancel))
    assert trainers() == []


FLOW = """
import sys
from pathlib import Path
from flows.distributed import train_together
from flows.report import SilentReporter
from flows.settings import Settings
from tests.flows.test_distributed import TWO, order
train_together(Settings(), TWO, order(Path(sys.argv[1]), 1_000_000), SilentReporter())
"""


def test_the_processes_of_a_killed_flow_end_by_themselves(settings: Settings, tmp_path: Path) -> None:
    flow = subprocess.Popen([sys.executable, "-c", FLOW, str(tmp_path)])
    try:
        until(lambda: len(trainers(flow.pid)) == 3)
        theirs = trainers(flow.pid)
    finally:
        flow.kill()
        flow.wait()
    until(lambda: not any(one.is_running() and told(one, "status") != psutil.STATUS_ZOMBIE for one in theirs))
    [left] = (settings.run_folder / "training").iterdir()
    with file_lock(left / work_order.OWNER_LOCK):  # of a flow that lives
        clear_left_over(left.parent)
        assert left.exists()
    clear_left_over(left.parent)
    assert not left.exists()


def test_two_hosts_meet(settings: Settings, tmp_path: Path) -> None:
    """Both are this machine; each has a torchrun of its own."""
    hosts = Launch(devices=1, nodes=2, rendezvous=f"127.0.0.1:{any_port()}")
    wanted, joined, stop = order(tmp_path), [], threading.Event()
    other = threading.Thread(target=lambda: joined.append(train_along(settings, stop=stop.is_set, most=1)))
    other.start()
    try:
        train_together(settings, hosts, wanted, SilentReporter())
        until(lambda: not other.is_alive())
    finally:
        stop.set()
        other.join()
    assert joined == [1]
    assert furthest(wanted.model.state_dict(), alone(tmp_path, 24)) < 2e-3


def test_an_order_that_cannot_be_carried_out_says_why(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TrainingError, match="without adversarial training"):
        train_together(settings, TWO, order(tmp_path, recipe=RECIPES["trades"]), SilentReporter())
    wanted = order(tmp_path)
    work_order.write_order(tmp_path, wanted)
    monkeypatch.setattr(sys, "argv", ["worker", str(tmp_path)])
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    with pytest.raises(SystemExit):
        worker.main()
    with pytest.raises(TrainingError, match="started by torchrun"):
        result_of(tmp_path, wanted, 1, settings.log_folder)


def test_retrain_on_two_devices(run: Callable[..., Said], store: Store) -> None:
    project = make_project(store)
    read_digits(store, project, 120, labels="use")
    said = run("retrain", "digits", "--devices", 2)
    assert said.code == 0, said.err
    [version] = model_versions.list_versions(store.database, store.actor, project.id)
    assert version.metrics["device"] == "2 x cpu"
    assert version.metrics["test_accuracy"] > 0.5
    assert not list(store.settings.project_folder(project.id, "models").glob("*.checkpoint"))


@pytest.mark.parametrize(
    ("changes", "device", "words"),
    [
        ({"devices": "5000000"}, None, None),
        ({"devices": "0"}, None, None),
        ({"rendezvous": "no port"}, None, None),
        ({"nodes": 2}, "cpu", "BORDERLINE_RENDEZVOUS"),
        ({"devices": "2"}, "cuda:1", "leave the number out|at most"),
        ({"devices": "999"}, "cuda", "at most"),
    ],
)
def test_settings_that_cannot_be(settings: Settings, changes: dict[str, object], device: str, words: str) -> None:
    if words is None:
        with pytest.raises(ValidationError):
            Settings(**changes)
        return
    with pytest.raises(UsageError, match=words):
        launch_of(Settings(**changes), torch.device(device))


def test_children_train_with_the_same_settings(settings: Settings) -> None:
    several = Settings(devices="2", nodes=3, rendezvous="gpu-1.example.org:29400")
    assert launch_of(several, CPU) == Launch(devices=2, nodes=3, rendezvous="gpu-1.example.org:29400")
    assert several.environment()["BORDERLINE_DEVICES"] == "2"
    assert several.environment()["BORDERLINE_NODES"] == "3"
    assert several.environment()["BORDERLINE_RENDEZVOUS"] == "gpu-1.example.org:29400"
    assert launch_of(Settings(devices="auto"), CPU).alone
