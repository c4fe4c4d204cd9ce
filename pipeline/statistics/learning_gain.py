"""What the next labels will bring: a power law fitted to the learning curve so far, with a bootstrap interval.

accuracy(n) = a - b n^-c after n labels, with a <= 1, b >= 0 and c in [0.05, 3]: the shape that learning curves have in
practice (Cortes et al., Learning curves: asymptotic values and rate of convergence, NIPS 1993; Figueroa et al.,
Predicting sample size required for classification performance, BMC Medical Informatics and Decision Making 12, 2012,
who weigh the points as well). The weight of a point is the inverse of its binomial variance. The interval is a
parametric bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 6.5): curves are drawn
around the fitted one and fitted again. Points that scatter more than the number of images explains, because training
is random too, widen it by the square root of chi-square over its degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError

Floats = NDArray[np.float64]
FEWEST_POINTS = 4  # one more than the law has parameters
RESAMPLES = 400
_RATES = np.geomspace(0.05, 3.0, 24)


class MeasuredLike(Protocol):
    """How good one model was; the points of the store are such."""

    @property
    def labels(self) -> int:
        """Labels it learned from."""

    @property
    def correct(self) -> int:
        """Images that it got right."""

    @property
    def total(self) -> int:
        """Images it was measured on."""


@dataclass(frozen=True, kw_only=True)
class ExpectedGain:
    """What more labels are expected to add to the accuracy.

    Attributes:
        labels: How many more.
        gain: Expected rise of the accuracy, in [0, 1].
        low: Low end of its interval.
        high: High end.
        points: Models that the curve was fitted to.
    """

    labels: int
    gain: float
    low: float
    high: float
    points: int


def expected_gain(
    points: Sequence[MeasuredLike], generator: np.random.Generator, *, labels: int = 100, confidence: float = 0.95
) -> ExpectedGain | None:
    """Return what the next labels are expected to bring; None below 4 models with different numbers of labels.

    It supposes that images are chosen and models trained as before, and that the curve goes on as a power law.

    Args:
        points: Models by their labels, in any order; those that learned from nothing are left out.
        generator: Draws the resamples.
        labels: How many more labels.
        confidence: Of the interval, in (0, 1).

    Raises:
        DataError: A count is impossible, or a setting is out of range.
    """
    if labels < 1 or not 0 < confidence < 1:
        raise DataError(f"expected labels >= 1 and a confidence in (0, 1), got {labels} and {confidence}")
    counts, correct, total = _checked(points)
    if len(np.unique(counts)) < FEWEST_POINTS:
        return None
    shares = (correct + 1) / (total + 2)  # a variance of 0 would be a weight without end
    weights = total / (shares * (1 - shares))  # (P,)
    fitted, gains, misfit = _fit((correct / total)[None], weights, counts, labels)
    scatter = max(1.0, misfit[0] / max(1, len(counts) - 3))
    middle = np.clip(fitted[0], 0, 1)
    spread = np.sqrt(scatter * (middle * (1 - middle) + 1 / total) / total)
    drawn = fitted[0] + generator.standard_normal((RESAMPLES, len(counts))) * spread  # (B, P)
    low, high = np.quantile(_fit(drawn, weights, counts, labels)[1], [(1 - confidence) / 2, (1 + confidence) / 2])
    gain = float(gains[0])
    return ExpectedGain(
        labels=labels, gain=gain, low=min(gain, float(low)), high=max(gain, float(high)), points=len(counts)
    )


def _checked(points: Sequence[MeasuredLike]) -> tuple[Floats, Floats, Floats]:
    """Return labels, right images and images (P,) of the models that learned from something, by their labels."""
    rows = sorted((point.labels, point.correct, point.total) for point in points if point.labels > 0)
    if any(not 0 <= correct <= total or total < 1 for _, correct, total in rows):
        raise DataError(f"expected 0 <= correct <= total and an image or more for each model, got {rows}")
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _fit(curves: Floats, weights: Floats, counts: Floats, ahead: int) -> tuple[Floats, Floats, Floats]:
    """Fit the law to each of the curves (B, P): its values (B, P), its gain ahead (B,), weighted squared misfit (B,).

    For a given c the law is linear in a and b and solved at once for all curves; the best c of a grid is taken.
    """
    last = counts.max()
    fitted, gains, misfits = np.zeros_like(curves), np.zeros(len(curves)), np.full(len(curves), np.inf)
    for rate in _RATES:
        falls = (counts / last) ** -rate  # (P,)
        top, slope = _line(curves, weights, falls)
        values = top[:, None] - slope[:, None] * falls
        misfit = (weights * (curves - values) ** 2).sum(axis=1)
        better = misfit < misfits
        fitted[better], misfits[better] = values[better], misfit[better]
        gains[better] = (slope * (1 - ((last + ahead) / last) ** -rate))[better]
    return fitted, gains, misfits


def _line(curves: Floats, weights: Floats, falls: Floats) -> tuple[Floats, Floats]:
    """Return a (B,) and b (B,) of curves = a - b falls by weighted least squares, with a <= 1 and b >= 0."""
    mean_fall = np.average(falls, weights=weights)
    means = np.average(curves, weights=weights, axis=1)
    apart = weights * (falls - mean_fall)  # (P,)
    slope = -(curves - means[:, None]) @ apart / (apart @ (falls - mean_fall))
    top = means + slope * mean_fall
    from_one = (1 - curves) @ (weights * falls) / (weights @ falls**2)  # where a would exceed 1
    slope, top = np.where(top > 1, from_one, slope), np.minimum(top, 1)
    return np.where(slope < 0, np.minimum(means, 1), top), np.maximum(slope, 0)
