"""A whole comparison in this process, for notebooks: all arms and seeds, one unit after the other."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from pipeline.experiment.checking import check
from pipeline.experiment.data import ExperimentData
from pipeline.experiment.lockstep import run_unit
from pipeline.experiment.planning import label_counts, network_of, plan
from pipeline.experiment.progress import Pace
from pipeline.experiment.recipes import ChosenRecipe, choose_recipe
from pipeline.experiment.records import Arm, Point, Settings
from pipeline.experiment.result import Result
from pipeline.training.inference import choose_device

Progress = Callable[[int, int, str], None]
OnPoint = Callable[[Arm, int, Point], None]


def compare(
    data: ExperimentData,
    settings: Settings,
    *,
    device: torch.device | str | None = None,
    on_point: OnPoint | None = None,
    on_progress: Progress | None = None,
    folder: Path | str | None = None,
) -> Result:
    """Run every arm with every seed and return all points.

    Args:
        data: The images; `settings.imbalance` is applied here.
        settings: What is compared.
        device: Where to compute; None takes a GPU where there is one.
        on_point: Called with (arm, seed, point) for every point as it is made, and for those of an earlier start.
        on_progress: Called with (points there, points wanted, a line to show); raising stops.
        folder: Where to keep files: the same call goes on from there after a stop. One folder a comparison.

    Raises:
        PipelineError: The comparison cannot be run as asked; most reasons are found before any work.
    """
    check(settings, data)
    where = choose_device() if device is None else torch.device(device)
    with _place(folder) as place:
        return _Comparison(data, settings, where, place, on_point, on_progress).run()


class _Comparison:
    """A comparison on its way."""

    def __init__(
        self,
        data: ExperimentData,
        settings: Settings,
        device: torch.device,
        place: Path,
        on_point: OnPoint | None,
        on_progress: Progress | None,
    ) -> None:
        self.data, self.settings, self.device, self.place = data, settings, device, place
        self.on_point, self.on_progress = on_point, on_progress
        self.points: dict[tuple[Arm, int], tuple[Point, ...]] = {}
        self.recipes: dict[str, ChosenRecipe] = {}
        units = plan(settings)
        self.wanted = sum(len(unit.seeds) for unit in units) * len(label_counts(settings))
        self.pace: Pace | None = None

    def run(self) -> Result:
        """Run all units."""
        for unit in plan(self.settings):
            network = network_of(unit.arm, self.settings)
            made = run_unit(
                self.data,
                self.settings,
                self._recipe(network).recipe,
                unit.arm,
                unit.seeds,
                device=self.device,
                done=self.points,
                folder=self.place,
                on_point=self.on_point,
                on_progress=self._tell,
            )
            self.points |= {(unit.arm, seed): points for seed, points in made.items()}
        return Result(settings=self.settings, classes=self.data.classes, points=self.points, about=self._about())

    def _recipe(self, network: str) -> ChosenRecipe:
        if network not in self.recipes:
            self.recipes[network] = choose_recipe(
                self.data,
                self.settings,
                model=network,
                device=self.device,
                folder=self.place,
                on_progress=lambda done, total, text: self._tell(0, 0, f"{text} {done:,} of {total:,}"),
            )
        return self.recipes[network]

    def _tell(self, points: int, _: int, text: str) -> None:
        if self.on_progress is not None:
            done = sum(map(len, self.points.values())) + points
            if self.pace is None:  # nothing is told of before there is work: what was done earlier is not this pace
                self.pace = Pace(self.wanted, done=done)
            self.on_progress(done, self.wanted, f"{self.pace.text(done)} ({text})")

    def _about(self) -> dict[str, Any]:
        return {
            **about_machine(self.device),
            "recipes": {name: repr(chosen.recipe) for name, chosen in self.recipes.items()},
            "tuning": {name: dict(chosen.about) for name, chosen in self.recipes.items() if chosen.about},
            "labels spent on tuning": sum(chosen.labels_spent for chosen in self.recipes.values()),
        }


def about_machine(device: torch.device) -> dict[str, Any]:
    """Return where and with what versions a comparison runs, for the record."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "device": str(device),
        "device_name": name,
        "machine": platform.platform(),
        "threads": torch.get_num_threads(),
        "versions": {package: version(package) for package in ("borderline", "torch", "torchvision", "numpy")},
    }


@contextmanager
def _place(folder: Path | str | None) -> Iterator[Path]:
    """Give the folder for files, or one that goes away."""
    if folder is not None:
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory(prefix="borderline-") as name:
        yield Path(name)
