"""k-means by FAISS (Lloyd's iterations), the same clusters for the same rows in the same order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.features.neighbors import faiss_library, has_gpu
from pipeline.features.store import blocks

_A_CENTROID = 256  # rows a cluster that the iterations look at


def cluster(rows: NDArray[Any], count: int, *, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Group rows into clusters.

    Args:
        rows: (N, D), float16 or float32, also memory-mapped.
        count: Clusters, at most N. Some may stay empty where rows are equal.
        seed: Of the first centroids, and of the sample of rows for large N.

    Returns:
        int64 (N,), the cluster of each row; and float32 (N,), its distance to the centroid.
    """
    faiss = faiss_library()
    means = faiss.Kmeans(
        rows.shape[1], count, niter=20, nredo=3, seed=seed % (1 << 31), gpu=has_gpu(faiss), min_points_per_centroid=1,
        max_points_per_centroid=_A_CENTROID,
    )  # fmt: skip
    means.train(_sample(rows, count * _A_CENTROID, seed))
    found, distance = np.empty(len(rows), np.int64), np.empty(len(rows), np.float32)
    for where, some in blocks(rows):
        squared, nearest = means.index.search(some.numpy(), 1)
        found[where], distance[where] = nearest[:, 0], np.sqrt(squared[:, 0].clip(0))
    return found, distance


def _sample(rows: NDArray[Any], most: int, seed: int) -> NDArray[np.float32]:
    if len(rows) > most:
        rows = rows[np.sort(np.random.default_rng(seed).permutation(len(rows))[:most])]
    return np.ascontiguousarray(rows, dtype=np.float32)
