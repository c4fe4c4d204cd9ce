"""One unit of a comparison as it travels to a worker (ids, paths, plain settings), and what the worker sends back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flows.errors import Canceled
from flows.jobs import describe
from pipeline.experiment.records import Arm, Point, Settings

if TYPE_CHECKING:
    from flows.compare.recipes import Recipe

TELL_SECONDS = 1.0
Points = Mapping[tuple[Arm, int], tuple[Point, ...]]


@dataclass(frozen=True, kw_only=True)
class UnitWork:
    """What a worker needs to carry out one unit.

    Attributes:
        number: Its place in the plan.
        index: File of `flows.compare.images` that tells where the images lie.
        settings: The comparison.
        recipe: How the unit's network trains.
        arm: Which line of the comparison.
        seeds: Its runs, in lockstep.
        done: Points that are in SQL already, of these runs and of those that a transfer reads.
        folder: Where runs keep their files.
        device: 'cpu', 'cuda' or 'cuda:1'.
    """

    number: int
    index: Path
    settings: Settings
    recipe: Recipe
    arm: Arm
    seeds: tuple[int, ...]
    done: Points
    folder: Path
    device: str


@dataclass(frozen=True)
class Made:
    """A point was made."""

    arm: Arm
    seed: int
    point: Point


@dataclass(frozen=True)
class Told:
    """What a unit does now, in a line to show."""

    number: int
    text: str


@dataclass(frozen=True)
class Ended:
    """A unit ended; `error` is empty if it reached its end."""

    number: int
    error: str = ""


Event = Made | Told | Ended
Hear = Callable[[Event], None]


def carry_out(work: UnitWork, hear: Hear, check: Callable[[], None]) -> None:
    """Run a unit to its end in this process; its own errors are told, not raised.

    Args:
        work: The unit.
        hear: Receives every point as it is made, what goes on, and the end.
        check: Called at every step; raising `Canceled` stops, and so does `KeyboardInterrupt`.

    Raises:
        Canceled: `check` raised it.
    """
    try:
        _run(work, hear, check)
    except Canceled:
        raise
    except Exception as error:  # one arm that cannot go on must not take the others with it
        hear(Ended(work.number, describe(error)))
        return
    hear(Ended(work.number))


def _run(work: UnitWork, hear: Hear, check: Callable[[], None]) -> None:
    import torch

    from flows.compare.images import open_index
    from pipeline.experiment.lockstep import run_unit

    last = 0.0

    def on_progress(_done: int, _wanted: int, text: str) -> None:
        nonlocal last
        check()
        if time.monotonic() - last >= TELL_SECONDS:
            last = time.monotonic()
            hear(Told(work.number, text))

    with one_thread(work.device):
        run_unit(
            open_index(work.index),
            work.settings,
            work.recipe,
            work.arm,
            work.seeds,
            device=torch.device(work.device),
            done=work.done,
            folder=work.folder,
            on_point=lambda arm, seed, point: hear(Made(arm, seed, point)),
            on_progress=on_progress,
        )


@contextmanager
def one_thread(device: str) -> Iterator[None]:
    """Compute on one thread while the block runs, on a CPU: small networks gain nothing by more.

    Sums over threads may differ in their last bits, so a run must not depend on how many there are.
    """
    import torch

    before = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
