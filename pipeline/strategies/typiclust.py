"""TypiClust: for few or no labels, the most typical image of each cluster that has none.

Hacohen, Dekel and Weinshall, "Active learning on a budget: opposite strategies suit high and low budgets", ICML 2022,
arXiv:2202.02794, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.errors import StrategyError
from pipeline.features.clusters import cluster
from pipeline.features.neighbors import NeighborIndex
from pipeline.features.store import as_float, normalized
from pipeline.randomness import derive_seed
from pipeline.strategies.by_features import ByFeatures, Choice, Space

_LEAST = 5  # images of a cluster worth asking about, as in the authors' code


@dataclass(frozen=True, kw_only=True)
class TypiClust(ByFeatures):
    """One typical image of each of the largest clusters without a label; the score is its typicality.

    Clusters are as many as labels and queries together, at most `most_clusters`. Typicality is the inverse of the mean
    distance to the nearest images of the same cluster. Features have length 1.

    Attributes:
        features: See `ByFeatures`.
        backbone: Network of 'pretrained'.
        weights: Its weights.
        neighbors: How many near images typicality looks at.
        most_clusters: Most clusters; above, a cluster gives several images.
    """

    neighbors: int = 20
    most_clusters: int = 500

    name: ClassVar[str] = "typiclust"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.neighbors < 1 or self.most_clusters < 1:
            raise StrategyError(
                f"expected 1 or more neighbors and clusters, got {self.neighbors} and {self.most_clusters}"
            )

    def choose(self, space: Space, k: int) -> Choice:
        """Return k rows."""
        pool = normalized(as_float(space.pool.rows)).numpy()  # (N, D)
        labeled = normalized(torch.from_numpy(space.labeled)).numpy()  # (L, D)
        count = min(len(labeled) + k, self.most_clusters, len(pool) + len(labeled))
        found, _ = cluster(np.concatenate([pool, labeled]), count, seed=derive_seed(space.context.seed, "typiclust"))
        mine, theirs = found[: len(pool)], np.bincount(found[len(pool) :], minlength=count)
        rows = self._pick(pool, mine, theirs, k)
        return Choice(rows, self._scores(pool, mine, rows), {"clusters": count})

    def _pick(
        self, pool: NDArray[np.float32], mine: NDArray[np.int64], covered: NDArray[np.int64], k: int
    ) -> NDArray[np.int64]:
        """Take the most typical image of the cluster with the fewest labels, the largest first; again until k."""
        size, covered = np.bincount(mine, minlength=len(covered)), covered.copy()
        waiting: dict[int, list[int]] = {}  # cluster: its rows, most typical last
        rows: list[int] = []
        while len(rows) < k:
            small = size < _LEAST if (size >= _LEAST).any() else size < 1
            best = int(np.lexsort((np.arange(len(size)), -size, covered, small))[0])
            if best not in waiting:
                members = np.flatnonzero(mine == best)
                order = np.lexsort((members, -typicality(pool[members], self.neighbors)))
                waiting[best] = members[order][::-1].tolist()
            rows.append(waiting[best].pop())
            covered[best] += 1
            size[best] -= 1
        return np.array(rows, dtype=np.int64)

    def _scores(
        self, pool: NDArray[np.float32], mine: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        scores = np.empty(len(rows))
        for group in np.unique(mine[rows]):
            members = np.flatnonzero(mine == group)
            here = mine[rows] == group
            scores[here] = typicality(pool[members], self.neighbors)[np.searchsorted(members, rows[here])]
        return scores


def typicality(rows: NDArray[np.float32], neighbors: int) -> NDArray[np.float64]:
    """Return the inverse mean distance (N,) of each row to its nearest others, at most half of them.

    >>> typicality(np.array([[0.0], [1.0], [3.0]], dtype=np.float32), 1).round(3).tolist()
    [1.0, 1.0, 0.5]
    """
    count = min(neighbors, max(1, len(rows) // 2), len(rows) - 1)
    if count < 1:
        return np.zeros(len(rows))
    found, distance = NeighborIndex(rows).search(rows, count + 1)
    self_ = found == np.arange(len(rows))[:, None]
    self_[~self_.any(axis=1), -1] = True  # among many equal rows a row need not find itself
    others = distance[~self_].reshape(len(rows), count).astype(np.float64)
    return np.asarray(1 / (others.mean(axis=1) + 1e-5))
