"""Learning curves, the area under them, and intervals of shares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from pipeline.errors import DataError


class PointLike(Protocol):
    """What a point of a run must tell; the points of experiments and of the store both do."""

    @property
    def labels(self) -> int:
        """Labels paid for so far."""

    @property
    def accuracy(self) -> float:
        """Of the model of this point, in [0, 1]."""

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the classes' recalls."""

    @property
    def class_recall(self) -> tuple[float | None, ...]:
        """(K,), None for a class without test images."""

    @property
    def class_labels(self) -> tuple[int, ...]:
        """(K,), labels of each class so far."""

    @property
    def query_seconds(self) -> float | None:
        """Time of the ranking."""

    @property
    def train_seconds(self) -> float:
        """Time of the training."""

    @property
    def figures(self) -> Mapping[str, Any]:
        """More about it; 'calibration_error' is read."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The learning curve of one run: one arm with one seed.

    Sequences are kept as tuples. Figures that nobody measured are left empty, never filled.

    Attributes:
        arm: What the arm is called in tables; runs of one arm share it.
        seed: Arms are compared seed by seed: runs with one seed share seed set, first weights and test set.
        labels: Labels paid for at each point (P,), rising, P >= 1.
        accuracy: Of that very model on the test set (P,), in [0, 1]; never the best so far.
        trains: The second network of a transfer; arms are compared only with arms that train the same network.
        balanced_accuracy: (P,), in [0, 1]; empty if not measured.
        class_recall: (P, K), in [0, 1] or None for a class without test images; empty if not measured.
        class_labels: (P, K), labels of each class so far; empty if not counted.
        calibration_error: (P,), in [0, 1] or None where it was not measured; empty if nowhere.
        query_seconds: (P,), None where nothing was ranked; empty if not measured.
        train_seconds: (P,); empty if not measured.

    Raises:
        DataError: Lengths differ, labels do not rise, or an accuracy is not in [0, 1].

    >>> Curve(arm="dfal", seed=1, labels=[20, 30, 50], accuracy=[0.5, 0.7, 0.9]).area
    0.7333333333333333
    """

    arm: str
    seed: int
    labels: Sequence[int]
    accuracy: Sequence[float]
    trains: str = ""
    balanced_accuracy: Sequence[float] = ()
    class_recall: Sequence[Sequence[float | None]] = ()
    class_labels: Sequence[Sequence[int]] = ()
    calibration_error: Sequence[float | None] = ()
    query_seconds: Sequence[float | None] = ()
    train_seconds: Sequence[float | None] = ()

    def __post_init__(self) -> None:
        for name in ("labels", "accuracy", *_OPTIONAL):
            object.__setattr__(self, name, _tuples(getattr(self, name)))
        learning_curve_area(self.labels, self.accuracy)
        if not all(0 <= value <= 1 for value in self.accuracy):
            raise DataError(f"expected accuracies in [0, 1] for {self.arm!r}, got {self.accuracy}; percent over 100?")
        for name in _OPTIONAL:
            if getattr(self, name) and len(getattr(self, name)) != len(self.labels):
                raise DataError(
                    f"expected {name} for each of {len(self.labels)} points, got {len(getattr(self, name))}"
                )

    @classmethod
    def of(cls, arm: str, seed: int, points: Iterable[PointLike], *, trains: str = "") -> Curve:
        """Return the curve of a run from its points, as the engine yields and the store keeps them.

        Raises:
            DataError: There is no point, or they are no curve.
        """
        found = list(points)
        taken = {name: [getattr(point, name) for point in found] for name in ("labels", "accuracy", *_OF_POINTS)}
        errors = [point.figures.get("calibration_error") for point in found]
        measured = any(error is not None for error in errors)
        return cls(arm=arm, seed=seed, trains=trains, calibration_error=errors if measured else (), **taken)

    @property
    def area(self) -> float:
        """Mean accuracy under the curve, in [0, 1]."""
        return learning_curve_area(self.labels, self.accuracy)


_OF_POINTS = ("balanced_accuracy", "class_recall", "class_labels", "query_seconds", "train_seconds")
_OPTIONAL = (*_OF_POINTS, "calibration_error")


def _tuples(values: Any) -> Any:
    """Return nested sequences and arrays as nested tuples of plain numbers."""
    plain = values.tolist() if isinstance(values, np.ndarray | np.generic) else values
    return tuple(_tuples(value) for value in plain) if isinstance(plain, list | tuple) else plain


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval for a share that was seen as `correct` of `total`.

    Wilson's score interval (JASA 22, 1927): right also for few images and for shares near 0 and 1.

    Args:
        correct: In [0, total].
        total: Images looked at; with none the interval is all of [0, 1].
        confidence: In (0, 1).

    Returns:
        Low and high end, in [0, 1].

    Raises:
        DataError: An argument is out of range.

    >>> low, high = wilson_interval(90, 100)
    >>> round(low, 4), round(high, 4)
    (0.8256, 0.9448)
    """
    if not 0 <= correct <= total or not 0 < confidence < 1:
        raise DataError(
            f"expected 0 <= correct <= total and a confidence in (0, 1), got {correct}, {total} and {confidence}"
        )
    if total == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, square = correct / total, z * z / total
    middle = (share + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(share * (1 - share) / total + square / (4 * total))
    return (0.0 if correct == 0 else middle - half), (1.0 if correct == total else middle + half)


def learning_curve_area(labels: ArrayLike, accuracy: ArrayLike) -> float:
    """Return the mean accuracy under a learning curve, by the trapezoid rule (the field's AUBC).

    Args:
        labels: Numbers of labels (P,), rising.
        accuracy: Accuracy at each (P,), in [0, 1].

    Returns:
        The area divided by the width, in [0, 1]; for a single point its accuracy.

    Raises:
        DataError: The curve has no points, or its labels do not rise.

    >>> learning_curve_area([20, 30, 50], [0.5, 0.7, 0.9])
    0.7333333333333333
    """
    x, y = np.asarray(labels, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) == 0:
        raise DataError(f"expected as many labels as accuracies, one or more, got shapes {x.shape} and {y.shape}")
    if not (np.diff(x) > 0).all():
        raise DataError("expected label counts that rise, got some that do not; sort the rounds and keep one of each")
    if len(x) == 1:
        return float(y[0])
    return float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum() / (x[-1] - x[0]))
