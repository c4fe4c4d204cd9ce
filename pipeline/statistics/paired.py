"""Whether one arm is better than another: differences on the same seeds, their intervals and corrected p-values.

The p-value that decides is that of the paired t test. The exact sign-flip permutation test is kept beside it: it
assumes less, but with S seeds it cannot go below 2^(1 - S), so that after Holm's correction (Scandinavian Journal of
Statistics 6, 1979) for the 78 pairs of 13 arms not even 10 of 10 wins could ever count. An area under a curve is
a mean over many rounds and thousands of test images, which is what the t test asks for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import DataError
from pipeline.statistics.intervals import ENOUGH_SEEDS, t_interval

Floats = NDArray[np.float64]
_EXACT_SEEDS = 16
_FLIPS = 100_000
_ROUNDING = 1e-12  # differences of accuracies below this are rounding


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A mean paired difference, a minus b.

    Attributes:
        mean: In the unit of the values.
        low: Low end of the t interval over the seeds; None for fewer than 2.
        high: High end.
        p_raw: Of the paired t test, two-sided; None for fewer than 2 seeds.
        p_exact: Of the sign-flip permutation test, two-sided; never below 2^(1 - seeds).
        p: p_raw, corrected by Holm for all pairs of the comparison; the one to judge by. None before correction.
        seeds: How many.
        wins: Seeds on which a was better.
        losses: Seeds on which b was better.
    """

    mean: float
    low: float | None
    high: float | None
    p_raw: float | None
    p_exact: float
    seeds: int
    wins: int
    losses: int
    p: float | None = None

    def decided(self, alpha: float) -> int:
        """Return 1 if a is better, -1 if b is, 0 if that cannot be told: too few seeds, or p not below alpha."""
        if self.seeds < ENOUGH_SEEDS or self.p is None or self.p >= alpha:
            return 0
        return 1 if self.mean > 0 else -1


def paired_difference(a: ArrayLike, b: ArrayLike, *, confidence: float = 0.95, seed: int = 0) -> Difference:
    """Compare two arms by a figure that each has for the same seeds.

    Args:
        a: A figure of the first arm for each seed (S,), such as areas.
        b: That of the second, in the same order of seeds.
        confidence: Of the interval, in (0, 1).
        seed: Draws sign flips where there are too many seeds to try them all.

    Raises:
        DataError: They differ in length, are empty or hold what is not finite.

    >>> paired_difference([0.9, 0.8, 0.85], [0.8, 0.75, 0.8]).p_exact
    0.25
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise DataError(f"expected a value for each seed in both arms, got shapes {first.shape} and {second.shape}")
    differences = _without_rounding(first - second)
    estimate = t_interval(differences, confidence)
    return Difference(
        mean=estimate.mean,
        low=estimate.low,
        high=estimate.high,
        p_raw=t_test(differences),
        p_exact=sign_flip_test(differences, seed=seed),
        seeds=estimate.seeds,
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
    )


def t_test(differences: ArrayLike) -> float | None:
    """Return the two-sided p-value that the mean of differences (S,) is 0; None for one, 1 where all are 0."""
    found = np.asarray(differences, dtype=np.float64)
    if len(found) < 2:
        return None
    mean, spread = float(found.mean()), float(found.std(ddof=1))
    if mean == 0:
        return 1.0
    if spread == 0:
        return 0.0
    from scipy import stats

    return float(2 * stats.t.sf(abs(mean) / spread * math.sqrt(len(found)), len(found) - 1))


def sign_flip_test(differences: ArrayLike, *, seed: int = 0) -> float:
    """Return the two-sided p-value of differences (S,) under all 2^S flips of their signs.

    With more than 16 seeds 100,000 flips are drawn, and the observed one counts as one of them.

    Raises:
        DataError: There is no difference.
    """
    found = np.asarray(differences, dtype=np.float64)
    if found.ndim != 1 or not len(found):
        raise DataError(f"expected differences, one or more, got shape {found.shape}")
    reached = abs(found.sum()) - _ROUNDING * len(found)
    if len(found) <= _EXACT_SEEDS:
        return float((np.abs(_all_signs(len(found)) @ found) >= reached).mean())
    signs = np.random.default_rng(seed).integers(0, 2, size=(_FLIPS, len(found)), dtype=np.int8) * 2 - 1
    return float((1 + (np.abs(signs @ found) >= reached).sum()) / (1 + _FLIPS))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected by Holm's step-down method; None stays None and counts for nothing.

    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]
    """
    known = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * value))
        corrected[place] = highest
    return corrected


def _without_rounding(differences: Floats) -> Floats:
    return np.where(np.abs(differences) < _ROUNDING, 0.0, differences)


@cache
def _all_signs(size: int) -> NDArray[np.int8]:
    """Return half of all sign patterns (2^(S - 1), S); the other half is their mirror image."""
    patterns = np.arange(1 << (size - 1))[:, None] >> np.arange(size) & 1
    return (patterns * 2 - 1).astype(np.int8)
