"""Rounds and queries: what is due, what is asked, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class DueRound:
    """A round that should run now; `reason` is 'first', 'unfinished' or 'complete'."""

    project_id: int
    number: int
    reason: str
    attempt: int


@dataclass(frozen=True, kw_only=True)
class Round:
    """One turn; `state` is 'preparing', 'open' or 'closed', `k` the labels it asks for."""

    id: int
    project_id: int
    number: int
    state: str
    k: int
    strategy: str
    attempt: int
    labels_before: int
    model_version_id: int | None
    begun_at: int
    opened_at: int | None
    closed_at: int | None


@dataclass(frozen=True, kw_only=True)
class Finished:
    """Nothing is left to ask, or the `budget` of labels is used (else None).

    False in a condition, so that `if not (turn := begin_round(...))` reads well.
    """

    project_id: int
    labels: int
    budget: int | None = None

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class NewQuery:
    """A sample to ask. `predicted` and `nearest` are class positions; `slots` None is the project's overlap.

    `kind` is 'learn', 'holdout', 'confirm' (in the grid, with its `group`) or 'copy_check' (its adversarial copy, shown
    beside a query of its own; its picture is named in `details`); else `details` is what 'why this image' shows.
    """

    sample_id: int
    rank: int
    kind: str = "learn"
    score: float | None = None
    predicted: int | None = None
    nearest: int | None = None
    reserve: bool = False
    copy_row: int | None = None
    slots: int | None = None
    group: str | None = None
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class NewQueue:
    """All queries of a round; its k is the number of learn queries outside of the reserve."""

    queries: Sequence[NewQuery]
    strategy: str
    diagnostics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Holdout:
    """A model's stored predictions against today's holdout labels.

    Attributes:
        correct: Images that it gets right.
        total: Images with a label.
        class_recall: Share that it gets right of each class that there are images of, by class position.
        calibration_error: Expected calibration error of the predicted class, 15 bins of equal width
            (arXiv:1706.04599), in [0, 1]; None where it was not computed.
    """

    correct: int
    total: int
    class_recall: Mapping[int, float] = field(default_factory=dict)
    calibration_error: float | None = None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """How good a model is on images that it never learned from.

    Attributes:
        source: 'test', 'holdout' or 'validation'.
        correct: Images that it gets right.
        total: Images.
        class_recall: By class position; empty for a model from before it was measured.
        calibration_error: In [0, 1]; None for a model from before it was measured.
    """

    source: str
    correct: int
    total: int
    class_recall: Mapping[int, float]
    calibration_error: float | None

    @property
    def accuracy(self) -> float:
        """Share of the images that it gets right."""
        return self.correct / self.total

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of the classes' recalls; None where they were not measured."""
        return sum(self.class_recall.values()) / len(self.class_recall) if self.class_recall else None


@dataclass(frozen=True, kw_only=True)
class PairedAnswer:
    """Two models on one labeled holdout image: its true class position, and whether each of them is right."""

    position: int
    new_right: bool
    old_right: bool


def measured_on(split: str, metrics: Mapping[str, Any]) -> Measured | None:
    """Return the figures that a model version keeps of a split; None where it was not measured on it."""
    figures = metrics.get(split)
    if not figures:
        return None
    return Measured(
        source=split,
        correct=figures["correct"],
        total=figures["total"],
        class_recall={int(place): share for place, share in figures.get("class_recall", {}).items()},
        calibration_error=figures.get("calibration_error"),
    )


def measured_on_holdout(held: Holdout | None) -> Measured | None:
    """Return the same figures of the holdout; None while no image of it has a label."""
    if held is None or not held.total:
        return None
    return Measured(
        source="holdout",
        correct=held.correct,
        total=held.total,
        class_recall=held.class_recall,
        calibration_error=held.calibration_error,
    )


@dataclass(frozen=True, kw_only=True)
class RoundSummary:
    """One line of the history; `labels_before` is what its model learned from at most, synthetic images not counted."""

    round_id: int
    number: int
    state: str
    strategy: str
    k: int
    labels_before: int
    labels_gained: int
    model_version_id: int | None
    labels_used: int | None
    metrics: Mapping[str, Any]
    test_accuracy: float | None
    holdout: Holdout | None
    diagnostics: Mapping[str, Any]
    begun_at: int
    opened_at: int | None
    closed_at: int | None
    synthetic_used: int | None = None

    @property
    def measured(self) -> Measured | None:
        """How good its model is, on the test split where there is one, else on the holdout; None before either."""
        return measured_on("test", self.metrics) or measured_on_holdout(self.holdout)
