"""k-means sampling: one cluster a query, and of each the image nearest to the middle.

Xu et al., "Representative sampling for text classification using support vector machines", ECIR 2003; Zhdanov, "Diverse
mini-batch active learning", arXiv:1901.05954.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.features.clusters import cluster
from pipeline.randomness import derive_seed
from pipeline.strategies.by_features import ByFeatures, Choice, Space


def one_of_each(clusters: NDArray[np.int64], score: NDArray[np.float64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows cluster by cluster, in turns: the best of each cluster, then the second best of each, ...

    Args:
        clusters: int64 (N,), the cluster of each row.
        score: float64 (N,), smallest first; ties by row.
        order: int64 (C,), which cluster comes first.

    >>> one_of_each(np.array([0, 0, 1, 1]), np.array([2.0, 1.0, 5.0, 4.0]), np.array([1, 0])).tolist()
    [3, 1, 2, 0]
    """
    rank = np.empty(len(clusters), dtype=np.int64)  # of a row in its cluster
    by_cluster = np.lexsort((np.arange(len(clusters)), score, clusters))
    starts = np.searchsorted(clusters[by_cluster], np.arange(len(order)))
    rank[by_cluster] = np.arange(len(clusters)) - starts[clusters[by_cluster]]
    place = np.argsort(order, kind="stable")  # of a cluster
    return np.asarray(np.lexsort((place[clusters], rank)), dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class KMeans(ByFeatures):
    """The image nearest to each of k centroids, larger clusters first; the score is its distance to the centroid.

    Attributes:
        features: See `ByFeatures`.
        backbone: Network of 'pretrained'.
        weights: Its weights.
    """

    name: ClassVar[str] = "kmeans"
    descending: ClassVar[bool] = False

    def choose(self, space: Space, k: int) -> Choice:
        """Return one row a cluster; the second of the largest clusters where some are empty."""
        found, distance = cluster(space.pool.rows, k, seed=derive_seed(space.context.seed, "kmeans"))
        size = np.bincount(found, minlength=k)
        apart = distance.astype(np.float64)
        rows = one_of_each(found, apart, np.argsort(-size, kind="stable"))[:k]
        return Choice(rows, apart[rows], {"clusters": int((size > 0).sum())})
