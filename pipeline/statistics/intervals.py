"""Means over seeds with intervals: Student's t for one figure, the bootstrap for bands along a curve."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import DataError

Floats = NDArray[np.float64]
ENOUGH_SEEDS = 5
"""With fewer, no bands and no decisions: the whole range of n values holds the true center with 1 - 2^(1 - n) only."""

_RESAMPLES = 4000


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: Of the seeds' values.
        low: Low end of its interval; None where there are too few seeds for one.
        high: High end.
        seeds: How many.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int


def t_interval(
    values: ArrayLike, confidence: float = 0.95, *, within: tuple[float, float] = (-math.inf, math.inf)
) -> Estimate:
    """Return the mean of values (S,) with Student's t interval; without one for a single value.

    Args:
        values: One for each seed.
        confidence: In (0, 1).
        within: What is possible at all, such as (0, 1) for an accuracy; the interval ends there.

    Raises:
        DataError: There is no value, or one is not finite.

    >>> found = t_interval([1.0, 2.0, 3.0])
    >>> found.mean, round(found.low, 3), round(found.high, 3)
    (2.0, -0.484, 4.484)
    """
    found = _finite(values)
    mean, size = float(found.mean()), len(found)
    if size == 1:
        return Estimate(mean=mean, low=None, high=None, seeds=1)
    from scipy import stats

    half = float(stats.t.ppf(0.5 + confidence / 2, size - 1)) * float(found.std(ddof=1)) / math.sqrt(size)
    return Estimate(mean=mean, low=max(within[0], mean - half), high=min(within[1], mean + half), seeds=size)


def bootstrap_bands(
    values: ArrayLike, *, confidence: float = 0.95, seed: int = 0, resamples: int = _RESAMPLES
) -> tuple[Floats, Floats] | None:
    """Return low (P,) and high (P,) around the mean curve of values (S, P); None for fewer than 5 seeds.

    The expanded percentile bootstrap of Hesterberg (What teachers should know about the bootstrap, The American
    Statistician 69, 2015, arXiv:1411.5279): whole runs are drawn with replacement, so that the points of a curve stay
    together, and the quantiles are widened to Phi(-sqrt(n / (n - 1)) t). The plain percentile interval is too narrow
    for the 5 to 20 seeds that comparisons have.

    Raises:
        DataError: The values are no table of finite numbers.
    """
    table = _finite(values)
    if table.ndim != 2:
        raise DataError(f"expected a row of accuracies for each seed, got shape {table.shape}")
    if len(table) < ENOUGH_SEEDS:
        return None
    generator = np.random.default_rng(seed)
    times = generator.multinomial(len(table), np.full(len(table), 1 / len(table)), size=resamples)  # (B, S)
    means = times @ table / len(table)  # (B, P)
    tail = expanded_tail(len(table), confidence)
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return low, high


def expanded_tail(seeds: int, confidence: float) -> float:
    """Return the share of bootstrap means to cut off at each end, smaller than (1 - confidence) / 2.

    >>> round(expanded_tail(10, 0.95), 4), round(expanded_tail(1000, 0.95), 4)
    (0.0086, 0.0248)
    """
    from scipy import stats

    reach = math.sqrt(seeds / (seeds - 1)) * stats.t.ppf(0.5 + confidence / 2, seeds - 1)
    return float(stats.norm.cdf(-reach))


def _finite(values: ArrayLike) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if not found.size or not np.isfinite(found).all():
        raise DataError("expected finite values, one or more, got none or some that are not; leave failed runs out")
    return found
