"""Drives the seeds of an arm in lockstep, so that on a GPU their small models train as one batched program."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.experiment.augmentations import parse_augment
from pipeline.experiment.data import ExperimentData
from pipeline.experiment.keys import key_of
from pipeline.experiment.planning import source_of
from pipeline.experiment.rare import with_images
from pipeline.experiment.recipes import augmented
from pipeline.experiment.records import Arm, Point, Settings
from pipeline.experiment.resuming import Resumed
from pipeline.experiment.run import ArmRun
from pipeline.experiment.state import StateFile
from pipeline.experiment.trainers import train_lessons
from pipeline.training.batched import Lesson
from pipeline.training.dispatch import Recipe

Progress = Callable[[int, int, str], None]
OnPoint = Callable[[Arm, int, Point], None]
Points = Mapping[tuple[Arm, int], Sequence[Point]]


def run_unit(
    data: ExperimentData,
    settings: Settings,
    recipe: Recipe,
    arm: Arm,
    seeds: Sequence[int],
    *,
    device: torch.device,
    done: Points | None = None,
    folder: Path | None = None,
    on_point: OnPoint | None = None,
    on_progress: Progress | None = None,
    batched: bool | None = None,
) -> dict[int, tuple[Point, ...]]:
    """Run an arm with some seeds to its end, or go on with it.

    A run goes on after its earlier points with the numbers that it would have had without the stop. Where its own file
    in `folder` is missing or does not fit those points, it is computed from its beginning, and what it gives must equal
    them.

    Args:
        data: All images of the comparison; `settings.imbalance` is applied here.
        settings: The comparison.
        recipe: How to train, see `choose_recipe`.
        arm: Which line of the comparison.
        seeds: Its runs. Give the same ones when it goes on.
        device: Where to compute.
        done: Points by (arm, seed) that are there already: of these runs, and for a transfer all of the arm that
            chooses. Others are ignored.
        folder: Where runs keep their files, one folder a comparison; None keeps none.
        on_point: Called with (arm, seed, point) for every point that is not among those done. Raising stops; the point
            is given again when the run goes on.
        on_progress: Called with (points there, points wanted of this unit, a line to show); raising stops.
        batched: Train the seeds as one program; None does so on a GPU.

    Returns:
        All points by seed, those done before included.

    Raises:
        ExperimentError: A transfer lacks the points it trains on, or a run does not give its earlier points again.
        PipelineError: The strategy, the model or the training cannot work as asked.
    """
    data, done, recipe = data.for_settings(settings), done or {}, augmented(recipe, parse_augment(arm.augment))
    together = device.type == "cuda" if batched is None else batched
    with _place(folder) as place:
        work = _Work(data, settings, recipe, arm, device, place, done, on_point)
        runs = [work.of_seed(seed) for seed in seeds]
        _Lockstep(runs, recipe, device, together, on_progress).go()
    return {item.run.seed: tuple(item.run.points) for item in runs}


@dataclass(frozen=True)
class _Work:
    """What all runs of a unit share."""

    data: ExperimentData
    settings: Settings
    recipe: Recipe
    arm: Arm
    device: torch.device
    place: Path
    done: Points
    on_point: OnPoint | None

    def of_seed(self, seed: int) -> Resumed:
        """Return a run that is not started yet, with its files."""
        name, embedders = _file_name(self.arm, seed), self.place / "embedders"
        source = source_of(self.arm)
        run = ArmRun(
            self.data,
            self.settings,
            self.arm,
            seed,
            device=self.device,
            scratch=(embedders / "seed sets", embedders / name),
            source=None if source is None else self.done.get((source, seed), ()),
        )
        first = key_of(*self._deciding(), run.network, bool(source), seed, *self._makes())
        files = self.place / "runs"
        return Resumed(
            run,
            StateFile(files / f"{name}.safetensors", key_of(*self._deciding(), self.arm, seed), embedders / name),
            StateFile(files / f"first-{first[:16]}.safetensors", first),
            self.done.get((self.arm, seed), ()),
            self.on_point,
        )

    def _deciding(self) -> tuple[object, ...]:
        """Return all that decides points apart from arm and seed; how many labels there will be does not."""
        settings = self.settings
        of_settings = settings.model, settings.batch, settings.seed_labels, settings.protocol, settings.cold_start
        return (self.data.fingerprint(), *of_settings, settings.copy_rounds, self.recipe, self.device.type)

    def _makes(self) -> tuple[str, ...]:
        """Return what sets the first point of an arm that makes images apart from that of others."""
        return (self.arm.augment,) if parse_augment(self.arm.augment).maker else ()


class _Lockstep:
    """Runs that are asked one after the other and trained together, round by round."""

    def __init__(
        self, items: list[Resumed], recipe: Recipe, device: torch.device, together: bool, on_progress: Progress | None
    ) -> None:
        self.items, self.recipe, self.device = items, recipe, device
        self.together, self.on_progress = together, on_progress
        self.wanted = sum(len(item.run.counts) for item in items)

    def go(self) -> None:
        """Go on until every run is finished."""
        for item in self.items:
            item.start()
        while behind := self._behind():
            for item in behind:
                if item.run.asked is None:
                    item.ask(self._tell(item))
            self._train(behind)

    def _behind(self) -> list[Resumed]:
        """Return the runs with the fewest points; none once all are finished."""
        unfinished = [item for item in self.items if not item.run.finished]
        least = min((len(item.run.points) for item in unfinished), default=0)
        return [item for item in unfinished if len(item.run.points) == least]

    def _train(self, behind: list[Resumed]) -> None:
        group = self._group(behind)
        lessons = [self._lesson(item) for item in group]
        reports = train_lessons(
            lessons, self.recipe, device=self.device, together=self.together, on_progress=self._tell(*group)
        )
        for place, report in reports:
            if group[place] in behind:
                group[place].finish(lessons[place].model, report)

    def _lesson(self, item: Resumed) -> Lesson:
        """Return what a run learns, images of rare classes included where its arm makes some."""
        run = item.run
        lesson, run.noted = with_images(
            run.lesson(), parse_augment(run.arm.augment), run.data, run.network, self.recipe, device=self.device,
            on_progress=self._tell(item),
        )  # fmt: skip
        return lesson

    def _group(self, behind: list[Resumed]) -> list[Resumed]:
        """Return the runs that train: as one program, also those that a stop left one point ahead.

        Which models share a program may change the last bits of what they learn; so the same ones always do.
        """
        if not self.together:
            return behind
        turn = behind[0].run.turn
        return [item for item in self.items if item.run.turn == turn]

    def _tell(self, *items: Resumed) -> Progress:
        """Return what passes a step's progress on, as that of the unit; with no one to tell it still costs nothing."""
        arm, seeds = items[0].run.arm.name, ", ".join(str(item.run.seed) for item in items)

        def tell(done: int, total: int, text: str) -> None:
            if self.on_progress is None:
                return
            points = sum(len(item.run.points) for item in self.items)
            part = f" {done:,} of {total:,}" if total else ""
            self.on_progress(points, self.wanted, f"{arm}, seed {seeds}: {text}{part}")

        return tell


def _file_name(arm: Arm, seed: int) -> str:
    plain = "".join(letter if letter.isalnum() else "_" for letter in arm.name)[:60]
    return f"{plain}-{key_of(arm)[:8]}-seed{seed}"


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    """Give the folder for files of runs, or one that goes away."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="borderline-") as name:
        yield Path(name)
