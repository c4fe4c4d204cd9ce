"""How far annotators agree beyond chance: Krippendorff's alpha for classes, and who confuses what with whom.

Krippendorff, Content Analysis (4th ed., 2018), chapter 12; Hayes and Krippendorff, Communication Methods and Measures
1 (2007): any number of annotators, any votes missing. Votes come as three arrays of one length (V,): which item, which
annotator, which class, each an integer id. An annotator's second vote on an item replaces the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import DataError

Ids = NDArray[np.int64]
_NONE = -1  # fills rows of items with fewer votes than others


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Alpha with its bootstrap interval.

    Attributes:
        alpha: 1 is perfect, 0 what chance would give; None if it is not defined: no item has two votes, or all votes
            are for one class.
        low: Low end of the interval; None where alpha is None or too few resamples had two classes.
        high: High end.
        items: Items with two votes or more.
        votes: Votes on these.
    """

    alpha: float | None
    low: float | None
    high: float | None
    items: int
    votes: int


def krippendorff_alpha(items: ArrayLike, annotators: ArrayLike, classes: ArrayLike) -> float | None:
    """Return nominal alpha; None if no item has two votes, or all of their votes are for one class.

    Args:
        items: Item id of each vote (V,).
        annotators: Annotator id of each vote (V,).
        classes: Class id of each vote (V,), 0 or more.

    Raises:
        DataError: The arrays differ in length or are not integers of 0 or more.

    Krippendorff's own example: 3 observers, 15 units, many of them missing ('.').

    >>> rows = [". . . . . 3 4 1 2 1 1 3 3 . 3", "1 . 2 1 3 3 4 3 . . . . . . .", ". . 2 1 3 4 4 . 2 1 1 3 3 . 4"]
    >>> votes = [(u, o, int(v)) for o, row in enumerate(rows) for u, v in enumerate(row.split()) if v != "."]
    >>> round(krippendorff_alpha(*zip(*votes)), 3)
    0.691
    """
    rows, times = _patterns(*_checked(items, annotators, classes))
    alphas = _alphas(*_parts(rows), times[None].astype(np.float64))
    return None if np.isnan(alphas[0]) else float(alphas[0])


def agreement(
    items: ArrayLike,
    annotators: ArrayLike,
    classes: ArrayLike,
    generator: np.random.Generator,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
) -> Agreement:
    """Return nominal alpha with a percentile bootstrap interval over items.

    Args:
        items: Item id of each vote (V,).
        annotators: Annotator id of each vote (V,).
        classes: Class id of each vote (V,), 0 or more.
        generator: Draws the resamples.
        resamples: How many.
        confidence: Of the interval, in (0, 1).

    Raises:
        DataError: The arrays are no votes, or a setting is out of range.
    """
    rows, times = _patterns(*_checked(items, annotators, classes))
    return _with_interval(rows, times, generator, resamples, confidence)


def class_agreement(
    items: ArrayLike,
    annotators: ArrayLike,
    classes: ArrayLike,
    generator: np.random.Generator,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
) -> dict[int, Agreement]:
    """Return class id -> alpha of that class against all others, for the classes of items with two votes.

    Raises:
        DataError: As `agreement`.
    """
    rows, times = _patterns(*_checked(items, annotators, classes))
    found = np.unique(rows[rows != _NONE])
    return {
        int(wanted): _with_interval(
            np.where(rows == _NONE, _NONE, rows == wanted), times, generator, resamples, confidence
        )
        for wanted in found
    }


def pairwise_confusion(
    items: ArrayLike, annotators: ArrayLike, classes: ArrayLike
) -> tuple[Ids, dict[tuple[int, int], Ids]]:
    """Return the class ids (K,) and, for each two annotators with items in common, their votes counted (K, K).

    Rows are the classes of the first annotator (the smaller id), columns those of the second.

    Raises:
        DataError: The arrays differ in length or are not integers of 0 or more.

    >>> ids, counts = pairwise_confusion([1, 1, 2, 2], [7, 8, 7, 8], [0, 0, 0, 5])
    >>> ids.tolist(), counts[7, 8].tolist()
    ([0, 5], [[1, 1], [0, 0]])
    """
    units, people, values = _checked(items, annotators, classes)
    ids, places = np.unique(values, return_inverse=True)
    counts = {}
    for first, second in combinations(np.unique(people).tolist(), 2):
        mine, theirs = people == first, people == second
        _, left, right = np.intersect1d(units[mine], units[theirs], assume_unique=True, return_indices=True)
        if len(left):
            cells = places[mine][left] * len(ids) + places[theirs][right]
            counts[first, second] = np.bincount(cells, minlength=len(ids) ** 2).reshape(len(ids), len(ids))
    return ids, counts


def _checked(items: ArrayLike, annotators: ArrayLike, classes: ArrayLike) -> tuple[Ids, Ids, Ids]:
    """Check votes and keep the last one of each annotator on each item."""
    units, people, values = as_votes(items, annotators, classes)
    _, places = np.unique(people, return_inverse=True)
    ballots = units * (int(places.max(initial=0)) + 1) + places
    _, last = np.unique(ballots[::-1], return_index=True)
    kept = np.sort(len(units) - 1 - last)
    return units[kept], people[kept], values[kept]


def as_votes(items: ArrayLike, annotators: ArrayLike, classes: ArrayLike) -> tuple[Ids, Ids, Ids]:
    """Return three int64 arrays of one length (V,).

    Raises:
        DataError: They differ in length, are not integers, or hold a negative class.
    """
    found = [np.asarray(part) for part in (items, annotators, classes)]
    if any(part.ndim != 1 or part.shape != found[0].shape for part in found):
        shapes = ", ".join(str(part.shape) for part in found)
        raise DataError(f"expected an item, an annotator and a class for each vote, got arrays of shapes {shapes}")
    if any(len(part) and not np.issubdtype(part.dtype, np.integer) for part in found):
        raise DataError("expected votes as integer ids, got other types; number items, annotators and classes first")
    units, people, values = (part.astype(np.int64) for part in found)
    if (values < 0).any():
        raise DataError("expected class ids of 0 or more, got negative ones; leave missing votes out")
    return units, people, values


def _patterns(units: Ids, people: Ids, values: Ids) -> tuple[Ids, Ids]:
    """Return the different rows of votes (G, M) on items with two or more, and how many items have each (G,).

    Items with the same votes are the same for alpha: a few hundred rows stand for a hundred thousand items.
    """
    order = np.lexsort((values, units))
    _, places, sizes = np.unique(units[order], return_inverse=True, return_counts=True)
    rank = np.arange(len(order)) - (np.cumsum(sizes) - sizes)[places]
    table = np.full((len(sizes), int(sizes.max(initial=0))), _NONE, dtype=np.int64)  # (U, M)
    table[places, rank] = values[order]
    table = table[sizes > 1]
    if not len(table):
        return np.empty((0, 0), dtype=np.int64), np.empty(0, dtype=np.int64)
    rows, times = np.unique(table, axis=0, return_counts=True)
    return rows, times


def _parts(rows: Ids) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return votes a class (G, K), and observed disagreement (G,) of each row: pairs that differ, over votes - 1."""
    found = np.unique(rows[rows != _NONE])
    counts = np.stack([(rows == value).sum(axis=1) for value in found], axis=1) if len(found) else np.zeros((0, 0))
    total = counts.sum(axis=1)
    differ = (counts * (total[:, None] - counts)).sum(axis=1) / np.maximum(total - 1, 1)
    return counts.astype(np.float64), differ


def _alphas(
    counts: NDArray[np.float64], differ: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return alpha (B,) for each row of weights (B, G); NaN where it is not defined."""
    votes = weights @ counts  # (B, K)
    total = votes.sum(axis=1)
    by_chance = (votes * (total[:, None] - votes)).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(by_chance > 0, 1 - (total - 1) * (weights @ differ) / by_chance, np.nan)


def _with_interval(
    rows: Ids, times: Ids, generator: np.random.Generator, resamples: int, confidence: float
) -> Agreement:
    if resamples < 1 or not 0 < confidence < 1:
        raise DataError(f"expected resamples >= 1 and a confidence in (0, 1), got {resamples} and {confidence}")
    counts, differ = _parts(rows)
    size, votes = int(times.sum()), int((counts.sum(axis=1) * times).sum())
    alpha = float(_alphas(counts, differ, times[None].astype(np.float64))[0])
    if np.isnan(alpha):
        return Agreement(alpha=None, low=None, high=None, items=size, votes=votes)
    drawn = np.concatenate([_alphas(counts, differ, part) for part in _weights(times, generator, resamples)])
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn) < resamples / 2:
        return Agreement(alpha=alpha, low=None, high=None, items=size, votes=votes)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Agreement(alpha=alpha, low=float(low), high=float(high), items=size, votes=votes)


def _weights(times: Ids, generator: np.random.Generator, resamples: int) -> Iterator[NDArray[np.float64]]:
    """Yield how often each row is drawn when as many items as there are are drawn with replacement, in blocks."""
    size = int(times.sum())
    for start in range(0, resamples, 100):
        yield generator.multinomial(size, times / size, size=min(100, resamples - start)).astype(np.float64)
