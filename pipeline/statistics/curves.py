"""Intervals of shares, and the area under a learning curve."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from pipeline.errors import DataError


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
