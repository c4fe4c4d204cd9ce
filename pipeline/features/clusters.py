"""k-means by FAISS (Lloyd's iterations), the same clusters for the same rows in the same order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.features.neighbors import faiss_library, has_gpu
from pipeline.features.store import blocks

_A_CENTROID = 256  # rows a cluster that the iterations look at
_BYTES = 1 << 28  # of the rows that the iterations look at
_REDO = 50_000_000  # rows times clusters up to which the best of three starts is taken


def cluster(
    rows: NDArray[Any], count: int, *, seed: int, more: NDArray[Any] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Group rows into clusters.

    Args:
        rows: (N, D), float16 or float32, also memory-mapped.
        count: Clusters, at most N. Some may stay empty where rows are equal.
        seed: Of the first centroids, and of the sample of rows for large N.
        more: (M, D), rows that are grouped along with them.

    Returns:
        int64 (N + M,), the cluster of each row; and float32 (N + M,), its distance to the centroid.
    """
    faiss = faiss_library()
    parts = [rows] if more is None or not len(more) else [rows, more]
    most = max(count, min(count * _A_CENTROID, _BYTES // (4 * rows.shape[1])))
    samples = [_sample(part, most, seed) for part in parts]
    sample = samples[0] if len(samples) == 1 else np.concatenate(samples)
    means = faiss.Kmeans(
        rows.shape[1], count, niter=20, nredo=3 if len(sample) * count < _REDO else 1, seed=seed % (1 << 31),
        gpu=has_gpu(faiss), min_points_per_centroid=1, max_points_per_centroid=2 * _A_CENTROID,
    )  # fmt: skip
    means.train(sample)
    found = [means.index.search(some.numpy(), 1) for part in parts for _, some in blocks(part)]
    distance = np.sqrt(np.concatenate([squared[:, 0] for squared, _ in found]).clip(0))
    return np.concatenate([nearest[:, 0] for _, nearest in found]).astype(np.int64), distance.astype(np.float32)


def _sample(rows: NDArray[Any], most: int, seed: int) -> NDArray[np.float32]:
    if len(rows) > most:
        rows = rows[np.sort(np.random.default_rng(seed).permutation(len(rows))[:most])]
    return np.ascontiguousarray(rows, dtype=np.float32)
