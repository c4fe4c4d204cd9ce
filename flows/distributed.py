"""Trains one network in several processes: writes a work order, starts `torchrun`, watches it, reads the result.

Paths and plain files go to the processes, never a model or an array by value. The folder of an order belongs to one
attempt: its lock is the kernel's, so that the processes of a killed flow see that nobody waits for them and end.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import psutil
import torch

from flows.errors import FlowError, UsageError
from flows.locks import POLL_SECONDS, file_lock
from flows.report import Reporter
from flows.settings import Settings
from pipeline.errors import TrainingError
from pipeline.training import work_order
from pipeline.training.labeled import TrainingReport
from pipeline.training.work_order import WorkOrder

logger = logging.getLogger(__name__)

STOP_SECONDS = 10.0


class TrainingLost(FlowError):
    """A process of a training ended before its time; the next attempt goes on from what was saved."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How many processes train, and where they find each other.

    Attributes:
        devices: Processes on each host, each with a device of its own.
        nodes: Hosts.
        rendezvous: HOST:PORT where the hosts meet; None on one host.
        name: Of this meeting: hosts that come for another are not let in.
    """

    devices: int
    nodes: int
    rendezvous: str | None = None
    name: str = ""

    @property
    def alone(self) -> bool:
        """Whether one process in here is all that is asked for."""
        return self.devices * self.nodes == 1

    def command(self, folder: Path, *, owned: bool) -> list[str]:
        """Return what starts this host's processes for the order in a folder, given on this host if `owned`."""
        meeting = ["--standalone"]
        if self.nodes > 1:
            meeting = [f"--nnodes={self.nodes}", "--rdzv-backend=c10d"]
            meeting += [f"--rdzv-endpoint={self.rendezvous}", f"--rdzv-id={self.name}"]
        count = [f"--nproc-per-node={self.devices}", "--max-restarts=0"]
        program = ["-m", "pipeline.training.worker", str(folder), *(["--owned"] if owned else [])]
        return [sys.executable, "-m", "torch.distributed.run", *meeting, *count, *program]


def launch_of(settings: Settings, device: torch.device) -> Launch:
    """Return how the settings want to train on this kind of device.

    Raises:
        UsageError: There are not so many devices, or several hosts have no place to meet.
    """
    found = torch.cuda.device_count() if device.type == "cuda" else 1
    devices = found if settings.devices == "auto" else int(settings.devices)
    if device.type == "cuda" and devices > max(1, found):
        raise UsageError(
            f"expected at most {found} devices, as many GPUs as there are, got {devices}; do: ask for auto"
        )
    if devices > 1 and device.index:
        raise UsageError(
            f"expected BORDERLINE_DEVICE=cuda for {devices} devices, got {device}; do: leave out its number"
        )
    if settings.nodes > 1 and not settings.rendezvous:
        raise UsageError(
            f"expected BORDERLINE_RENDEZVOUS=HOST:PORT for {settings.nodes} hosts, got none; do: name the host that "
            "starts the training, and a free port"
        )
    return Launch(devices=devices, nodes=settings.nodes, rendezvous=settings.rendezvous)


def train_together(settings: Settings, launch: Launch, order: WorkOrder, reporter: Reporter) -> TrainingReport:
    """Train the order's network in several processes; its weights are put in place, on the CPU.

    Args:
        settings: Of the home folder, which all hosts share.
        launch: How many processes, and where they meet.
        order: What to do.
        reporter: Receives the progress; may raise to cancel, which ends the processes.

    Raises:
        TrainingError: The order cannot be carried out; trying again would not help.
        TrainingLost: A process was killed or lost; trying again goes on from the checkpoint.
    """
    folders = settings.run_folder / "training"
    clear_left_over(folders)
    folders.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=folders))
    try:
        with file_lock(folder / work_order.OWNER_LOCK):
            launch = Launch(**{**asdict(launch), "name": f"borderline-{folder.name}"})
            work_order.write_order(folder, order, asdict(launch) if launch.nodes > 1 else None)
            code = _run(settings, launch, folder, reporter)
            report = result_of(folder, order, code, settings.log_folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return report


def clear_left_over(folders: Path) -> None:
    """Remove the orders of killed flows: those whose lock nobody holds."""
    for folder in folders.glob("*/"):
        with file_lock(folder / work_order.OWNER_LOCK, wait=False) as nobody_waits:
            if nobody_waits:
                shutil.rmtree(folder, ignore_errors=True)


def _run(settings: Settings, launch: Launch, folder: Path, reporter: Reporter) -> int:
    """Run this host's processes to their end and return the exit code of `torchrun`."""
    count = launch.devices * launch.nodes
    reporter.progress(0, 0, f"starting {count} training processes")
    with running(launch, folder, settings.log_folder / "training.log") as process:
        while process.poll() is None:
            done, total = work_order.read_progress(folder)
            if total:
                reporter.progress(done, total, f"training on {count} devices")
            else:
                reporter.progress(0, 0, f"starting {count} training processes")
            time.sleep(POLL_SECONDS)
        return process.returncode


@contextmanager
def running(launch: Launch, folder: Path, log: Path, *, owned: bool = True) -> Iterator[subprocess.Popen[bytes]]:
    """Start this host's processes; whatever happens, none of them is left when the block ends.

    Args:
        launch: How many, and where they meet.
        folder: Of the order.
        log: Gets their output.
        owned: Whether the order was given on this host, so that they can see whether anybody waits for them.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    cores = max(1, (os.cpu_count() or 1) // launch.devices)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            launch.command(folder, owned=owned),
            env={"OMP_NUM_THREADS": str(cores), **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End `torchrun` and then whatever it did not end itself: each of its processes leads a session of its own."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        children = []
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for child in children:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue


def result_of(folder: Path, order: WorkOrder, code: int, logs: Path) -> TrainingReport:
    """Put the trained weights in place and return the report, or raise as `train_together` does."""
    wrong = work_order.read_error(folder)
    if wrong is not None:
        raise TrainingError(wrong)
    if code != 0:
        raise TrainingLost(
            f"expected all training processes to finish, got exit code {code}: one of them was killed or lost; do: "
            f"start it again, it goes on from its checkpoint (log: {logs / 'training.log'})"
        )
    trained, report = work_order.read_result(folder)
    order.model.load_state_dict(trained.state_dict())
    order.model.eval()
    return report


def accelerator_of(device: torch.device) -> Literal["cpu", "cuda"]:
    """Return Fabric's name for a kind of device."""
    return "cuda" if device.type == "cuda" else "cpu"
