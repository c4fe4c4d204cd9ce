"""A run with its past: it goes on from its own file, and where that is gone it must give its earlier points again."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence

from torch import nn

from pipeline.errors import ExperimentError
from pipeline.experiment.records import Arm, Point
from pipeline.experiment.run import ArmRun
from pipeline.experiment.state import StateFile
from pipeline.training.labeled import TrainingReport

Progress = Callable[[int, int, str], None]
OnPoint = Callable[[Arm, int, Point], None]

_COMPARED = ("labels", "queried", "accuracy", "class_recall", "class_labels")  # seconds are another story each time

_log = logging.getLogger(__name__)


class Resumed:
    """A run, its file, and the points that were handed over before.

    Args:
        run: A fresh run.
        file: Where it keeps its state.
        first: The state after the first point, which all arms of a seed share: it is one and the same model.
        done: Points that are known already, from the first one on.
        on_point: Receives every point that is not among them.
    """

    def __init__(
        self, run: ArmRun, file: StateFile, first: StateFile, done: Sequence[Point], on_point: OnPoint | None
    ) -> None:
        self.run, self.file, self.first, self.done, self.on_point = run, file, first, tuple(done), on_point

    def start(self) -> None:
        """Take up the run where its file says it stood, or start it anew; hand over points that nobody got yet.

        Raises:
            ExperimentError: The points done before are of other settings.
        """
        given, wanted = [point.labels for point in self.done], list(self.run.counts)
        if given != wanted[: len(given)]:
            raise ExperimentError(
                f"expected points of {self._name} at {_short(wanted)} labels, got {_short(given)}; "
                "they are of other settings: start a new comparison"
            )
        if not self.file.restore(self.run) or not self._fits():
            self._start_anew()
        for place in range(len(self.done), len(self.run.points)):
            self._hand_over(self.run.points[place])

    def _start_anew(self) -> None:
        if self.done:
            _log.warning("%s has no state to go on from: its %d points are checked anew", self._name, len(self.done))
        self.run.forget()
        if self.file.scratch is not None:
            shutil.rmtree(self.file.scratch, ignore_errors=True)
        if self.first.restore(self.run) and not self._fits():
            self.run.forget()

    def _fits(self) -> bool:
        """Return whether the file's points are those done before, and the run can go on from them."""
        run = self.run
        if run.points and run.asked is None and run.asks_with_model and run.model is None:
            return False  # it was finished when there were fewer labels to reach
        labels = [point.labels for point in run.points]
        if run.asked is not None:
            labels.append(sum(len(point.queried) for point in run.points) + len(run.asked.ids))
        if labels != list(run.counts[: len(labels)]):
            return False
        return not any(differences(old, new) for old, new in zip(self.done, run.points, strict=False))

    def ask(self, on_progress: Progress | None) -> None:
        """Choose the next images and write them down."""
        self.run.ask(on_progress)
        self.file.save(self.run)

    def finish(self, model: nn.Module, report: TrainingReport) -> None:
        """Make the point, write it down, then hand it over: whoever keeps it may be killed in between.

        Raises:
            ExperimentError: It is not what the run gave before.
        """
        point = self.run.finish(model, report)
        place = len(self.run.points) - 1
        if place < len(self.done):
            self._check(self.done[place], point)
        self.file.save(self.run)
        if place == 0 and not self.first.path.exists():
            self.first.save(self.run)
        if place >= len(self.done):
            self._hand_over(point)

    def _check(self, old: Point, new: Point) -> None:
        if found := differences(old, new):
            raise ExperimentError(
                f"expected {self._name} to give its point at {old.labels} labels again, got another: "
                f"{'; '.join(found)}. Images, code, PyTorch or the device changed since: start a new comparison"
            )

    def _hand_over(self, point: Point) -> None:
        if self.on_point is not None:
            self.on_point(self.run.arm, self.run.seed, point)

    @property
    def _name(self) -> str:
        return f"{self.run.arm.name!r} with seed {self.run.seed}"


def differences(old: Point, new: Point) -> list[str]:
    """Return what differs between two points, in words; times do not count."""
    return [
        f"{name} was {_short(getattr(old, name))}, is {_short(getattr(new, name))}"
        for name in _COMPARED
        if getattr(old, name) != getattr(new, name)
    ]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
