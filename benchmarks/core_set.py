"""Core-set's picks: ours against scikit-learn, a distance matrix, and just reading the features once a pick.

Claims: at least 10 times faster than the matrix; within 2 times of reading. All start from the same 100 labeled rows;
features are float32 in 10 Gaussian clusters, from a seeded generator.

* reading: one matrix-vector product of NumPy over all features a pick; what any exact greedy way must at least do.
* scikit-learn: `euclidean_distances` to the new pick and a running minimum, for some picks, times their share.
* distance matrix: as in DeepAL's KCenterGreedy (github.com/ej0cl6/deep-active-learning): all N x N distances, then
  np.delete and np.append of the columns chosen so far, a pick at a time. Run on as many rows as a matrix of 1 GB has,
  then extrapolated: the matrix by N^2, each pick by N, for the columns are the centers and not the rows. Neither counts
  that a matrix of 60,000 rows is 14 GB.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import arguments, report
from benchmarks.memory import Measured, measured
from pipeline.features.k_center import k_center_greedy

Features = NDArray[np.float32]
_CLUSTERS, _CENTERS = 10, 100


def make_features(rows: int, width: int, seed: int) -> Features:
    """Return features (N, D) in Gaussian clusters."""
    random = np.random.default_rng(seed)
    middles = 4 * random.standard_normal((_CLUSTERS, width), dtype=np.float32)
    features = random.standard_normal((rows, width), dtype=np.float32)
    features += middles[random.integers(_CLUSTERS, size=rows)]
    return features


def read_only(features: Features, picks: int) -> None:
    """Read all features once a pick."""
    for pick in range(picks):
        features @ features[pick]


def with_scikit_learn(features: Features, centers: Features, picks: int) -> list[int]:
    """Keep the distance to the nearest center, and lower it by each pick's distances."""
    from sklearn import config_context
    from sklearn.metrics import pairwise_distances_argmin_min
    from sklearn.metrics.pairwise import euclidean_distances

    chosen: list[int] = []
    with config_context(assume_finite=True):
        nearest = pairwise_distances_argmin_min(features, centers)[1]  # (N,)
        for _ in range(picks):
            chosen.append(int(nearest.argmax()))
            apart = euclidean_distances(features, features[chosen[-1:]])[:, 0]  # (N,)
            nearest = np.minimum(nearest, apart)
    return chosen


def distance_matrix(features: Features) -> Features:
    """Return all distances (N, N)."""
    matrix = features @ features.T
    squares = np.array(matrix.diagonal())[:, None]
    matrix *= -2
    matrix += squares
    matrix += squares.T
    return np.sqrt(np.maximum(matrix, 0, out=matrix), out=matrix)


def with_matrix(matrix: Features, labeled: int, picks: int) -> list[int]:
    """Pick from a distance matrix whose first rows are labeled, column by column."""
    known = np.arange(len(matrix)) < labeled
    columns = matrix[~known][:, known]
    chosen: list[int] = []
    for _ in range(picks):
        place = int(columns.min(axis=1).argmax())
        pick = int(np.arange(len(matrix))[~known][place])
        known[pick] = True
        chosen.append(pick)
        columns = np.delete(columns, place, 0)
        columns = np.append(columns, matrix[~known, pick][:, None], axis=1)
    return chosen


def taking_turns(*works: Callable[[], Any], turns: int = 3) -> list[Measured]:
    """Measure some works in turns, so that a slow minute of the machine meets all; return the median run of each."""
    runs = [[measured(work) for work in works] for _ in range(turns)]
    return [sorted(run, key=lambda one: one.seconds)[turns // 2] for run in zip(*runs, strict=True)]


class Comparison:
    """Rows of the table.

    Args:
        features: (N, D); the first 100 rows are the centers.
        picks: How many to pick.
    """

    def __init__(self, features: Features, picks: int) -> None:
        self.features, self.picks = features, picks
        self.rows: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def run(self, matrix_rows: int, some_picks: int) -> None:
        """Measure all four; the slow two on a part."""
        pool, centers = self.features[_CENTERS:], self.features[:_CENTERS]
        reading, ours = taking_turns(
            partial(read_only, pool, self.picks), partial(k_center_greedy, pool, self.picks, centers=centers)
        )
        self.add("reading", reading)
        self.add("ours", ours)
        if importlib.util.find_spec("sklearn"):
            with_scikit_learn(pool[:10], centers, 1)  # imports
            theirs = measured(partial(with_scikit_learn, pool, centers, some_picks))
            self.add("scikit-learn", theirs, factor=self.picks / some_picks, picks=some_picks)
            self.compare("scikit-learn", ours.result[:some_picks], theirs.result)
        self.matrix(matrix_rows)

    def matrix(self, count: int) -> None:
        """Measure the distance matrix on the first rows, and extrapolate."""
        part = self.features[:count]
        built = measured(partial(distance_matrix, part))
        picked = measured(partial(with_matrix, built.result, _CENTERS, self.picks))
        whole = len(self.features) / count
        seconds = built.seconds + picked.seconds
        factor = (built.seconds * whole**2 + picked.seconds * whole) / seconds
        both = Measured(seconds, None, max(built.peak_mb, picked.peak_mb), built.added_mb + picked.added_mb)
        self.add("distance matrix", both, factor=factor, rows=count)
        self.notes.append(
            f"distance matrix on {count:,} rows: {built.seconds:.1f} s to build, x {whole**2:.1f}; "
            f"{picked.seconds:.1f} s to pick, x {whole:.1f}; all of it x N^2 would be {seconds * whole**2:,.0f} s"
        )
        ours = k_center_greedy(part[_CENTERS:], self.picks, centers=part[:_CENTERS])
        self.compare("distance matrix", ours + _CENTERS, picked.result)

    def add(self, method: str, done: Measured, *, factor: float = 1.0, rows: int = 0, picks: int = 0) -> None:
        """Add a row; `factor` takes what was measured on fewer rows or picks to all of them."""
        reading = self.rows[0]["seconds"] if self.rows else done.seconds
        seconds = done.seconds * factor
        self.rows.append(
            {
                "method": method, "rows": len(self.features), "width": self.features.shape[1], "picks": self.picks,
                "measured_rows": rows or len(self.features), "measured_picks": picks or self.picks,
                "measured_seconds": done.seconds, "seconds": seconds, "extrapolated": factor != 1.0,
                "times_reading": seconds / reading, "peak_mb": done.peak_mb,
            }
        )  # fmt: skip

    def compare(self, method: str, ours: Any, theirs: list[int]) -> None:
        """Note how many picks are the same, in the same order."""
        same = int((np.asarray(ours) == np.asarray(theirs)).sum())
        self.notes.append(f"{method}: {same} of {len(theirs)} picks are ours, in order")


def main() -> None:
    """Measure 60,000 x 512 for 1,000 picks."""
    given = arguments(__doc__, rows=60_000, width=512, picks=1_000, matrix_rows=16_000, some_picks=50, seed=0)
    if given.quick:
        given.rows, given.picks, given.matrix_rows, given.some_picks = 10_000, 100, 2_000, 10
    comparison = Comparison(make_features(given.rows, given.width, given.seed), given.picks)
    comparison.run(min(given.rows, given.matrix_rows), min(given.picks, given.some_picks))
    report("Core-set: k-center greedy", comparison.rows, given, notes=comparison.notes)


if __name__ == "__main__":
    main()
