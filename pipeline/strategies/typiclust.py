"""TypiClust: for few or no labels, the most typical image of each cluster that has none.

Hacohen, Dekel and Weinshall, "Active learning on a budget: opposite strategies suit high and low budgets", ICML 2022,
arXiv:2202.02794, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.errors import StrategyError
from pipeline.features.clusters import cluster
from pipeline.features.neighbors import NeighborIndex
from pipeline.features.store import normalized
from pipeline.randomness import derive_seed
from pipeline.strategies.by_features import ByFeatures, Choice, Space

_LEAST = 5  # images of a cluster worth asking about, as in the authors' code
_MOST = 20_000  # images of a cluster that are compared with each other


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
        pool = space.pool.normalized().rows  # (N, D)
        labeled = normalized(torch.from_numpy(space.labeled)).numpy()  # (L, D)
        count = min(len(labeled) + k, self.most_clusters, len(pool) + len(labeled))
        seed = derive_seed(space.context.seed, "typiclust")
        found, _ = cluster(pool, count, seed=seed, more=labeled)
        mine, covered = found[: len(pool)], np.bincount(found[len(pool) :], minlength=count)
        clusters = _Clusters(pool, mine, count, self.neighbors)
        rows, scores = clusters.pick(covered, k)
        return Choice(rows, scores, {"clusters": count})


class _Clusters:
    """Rows by cluster, and the typicality of those that are looked at."""

    def __init__(self, pool: NDArray[Any], mine: NDArray[np.int64], count: int, neighbors: int) -> None:
        self.pool, self.mine, self.neighbors = pool, mine, neighbors
        self.size = np.bincount(mine, minlength=count)
        self.waiting: dict[int, list[tuple[float, int]]] = {}  # cluster: typicality and row, most typical last

    def pick(self, covered: NDArray[np.int64], k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Take the most typical image of the cluster with the fewest labels, the largest first; again until k."""
        covered = covered.copy()
        picks: list[tuple[float, int]] = []
        while len(picks) < k:
            small = self.size < _LEAST if (self.size >= _LEAST).any() else self.size < 1
            best = int(np.lexsort((np.arange(len(self.size)), -self.size, covered, small))[0])
            if best not in self.waiting:
                self.waiting[best] = self._ordered(best)
            picks.append(self.waiting[best].pop())
            covered[best] += 1
            self.size[best] -= 1
        return np.array([row for _, row in picks], dtype=np.int64), np.array([score for score, _ in picks])

    def _ordered(self, number: int) -> list[tuple[float, int]]:
        """Return typicality and row of a cluster's images; of more than 20,000 every n-th is looked at."""
        members = np.flatnonzero(self.mine == number)
        step = -(-len(members) // _MOST)
        seen = members[::step]
        score = np.zeros(len(members))
        score[::step] = typicality(np.asarray(self.pool[seen], dtype=np.float32), self.neighbors)
        order = np.lexsort((members, -score))[::-1]
        return list(zip(score[order].tolist(), members[order].tolist(), strict=True))


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
