"""What the other hosts of a training do: look for orders in the home folder that all hosts share, and train along."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from flows.distributed import Launch, running
from flows.locks import POLL_SECONDS
from flows.settings import Settings
from pipeline.training.work_order import read_launch

logger = logging.getLogger(__name__)


def train_along(settings: Settings, *, stop: Callable[[], bool] = lambda: False, most: int | None = None) -> int:
    """Join every training of several hosts that is ordered from now on; returns how many there were.

    Args:
        settings: Of the home folder, which the host that gives the orders shares.
        stop: Asked a few times a second whether to stop; the training that runs is given up then.
        most: Join so many and return; None goes on until stopped.
    """
    joined: set[str] = set()
    while not stop() and (most is None or len(joined) < most):
        for folder in _orders(settings, joined):
            launch = read_launch(folder)
            if launch is not None:
                joined.add(folder.name)
                _join(Launch(**launch), folder, settings, stop)
        time.sleep(POLL_SECONDS)
    return len(joined)


def _orders(settings: Settings, joined: set[str]) -> list[Path]:
    return [folder for folder in (settings.run_folder / "training").glob("*/") if folder.name not in joined]


def _join(launch: Launch, folder: Path, settings: Settings, stop: Callable[[], bool]) -> None:
    """Run this host's processes of a training to their end; what goes wrong is the giver's to tell."""
    with running(launch, folder, settings.log_folder / "training-host.log", owned=False) as process:
        while process.poll() is None and not stop():
            time.sleep(POLL_SECONDS)
    logger.info("the training of %s ended here with code %s", launch.name, process.returncode)
