"""Nearest neighbors by FAISS: on the GPU when there is one, flat up to a million rows, an inverted file above.

Douze et al., "The Faiss library", arXiv:2401.08281. FAISS is imported where it is used: training needs none.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.errors import StrategyError
from pipeline.features.embedding import Embedder
from pipeline.features.store import FeatureStore, blocks
from pipeline.strategies.base import QueryContext

_FLAT = 1_000_000  # rows up to which every row is compared
_PROBED = 32  # lists of the inverted file that are looked into


def faiss_library() -> Any:
    """Return the FAISS module, with as many threads as torch uses.

    Raises:
        StrategyError: It is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise StrategyError("expected FAISS for neighbors and clusters, got none; do: pip install faiss-gpu") from error
    faiss.omp_set_num_threads(torch.get_num_threads())
    return faiss


def has_gpu(faiss: Any) -> bool:
    """Return whether FAISS can use a GPU here."""
    return hasattr(faiss, "StandardGpuResources") and torch.cuda.is_available() and faiss.get_num_gpus() > 0


class NeighborIndex:
    """Finds the rows nearest to others by Euclidean distance.

    Args:
        rows: (N, D), float16 or float32, also memory-mapped.
        flat: Rows up to which the answer is exact; above, an inverted file answers nearly exactly.
    """

    def __init__(self, rows: NDArray[Any], *, flat: int = _FLAT) -> None:
        self.faiss = faiss_library()
        self.count = len(rows)
        self.index = self._make(rows, flat)
        for _, some in blocks(rows):
            self.index.add(some.numpy())

    def _make(self, rows: NDArray[Any], flat: int) -> Any:
        width = rows.shape[1]
        index = self.faiss.IndexFlatL2(width)
        if len(rows) > flat:
            lists = int(4 * math.sqrt(len(rows)))
            index = self.faiss.IndexIVFFlat(index, width, lists)
            index.nprobe = min(lists, _PROBED)
            step = max(1, len(rows) // (64 * lists))
            index.train(np.ascontiguousarray(rows[::step], dtype=np.float32))
        if has_gpu(self.faiss):
            self.resources = self.faiss.StandardGpuResources()
            index = self.faiss.index_cpu_to_gpu(self.resources, 0, index)
        return index

    def search(self, queries: NDArray[Any], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the nearest rows.

        Args:
            queries: (B, D).
            count: How many a query.

        Returns:
            int64 (B, count), rows, nearest first, -1 where there are fewer; and float32 (B, count), distances.
        """
        squared, found = self.index.search(np.ascontiguousarray(queries, dtype=np.float32), count)
        distance = np.where(found < 0, np.inf, np.sqrt(squared.clip(0)))
        return found.astype(np.int64), distance.astype(np.float32)


def density(store: FeatureStore, neighbors: int = 20) -> NDArray[np.float32]:
    """Return the inverse mean distance (N,) of each row to its nearest others: large where images are alike."""
    index = NeighborIndex(store.rows)
    count = min(neighbors + 1, len(store))
    parts = [index.search(some.numpy(), count)[1][:, 1:] for _, some in blocks(store.rows)]
    mean = np.concatenate(parts).mean(axis=1) if count > 1 else np.zeros(len(store), np.float32)
    return np.asarray(1 / (mean + np.float32(1e-6)), dtype=np.float32)


def nearest_labeled(context: QueryContext, ids: NDArray[np.int64], count: int = 5) -> NDArray[np.int64]:
    """Return the labeled images nearest to some images of the pool, in the model's features.

    Args:
        context: Its model and labeled images.
        ids: int64 (k,), of the pool.
        count: How many an image.

    Returns:
        int64 (k, count), sample ids, nearest first; -1 where there are fewer, or without model or labeled images.
    """
    found = np.full((len(ids), count), -1, dtype=np.int64)
    labeled = context.labeled_images
    if context.model is None or labeled is None or not len(labeled) or not len(ids):
        return found
    embedder = Embedder(context, "model")
    known, asked = embedder.store(labeled, quiet=True), embedder.store(context.pool.subset(ids), quiet=True)
    rows = NeighborIndex(known.rows).search(asked.take(ids), min(count, len(known)))[0]
    found[:, : rows.shape[1]] = np.where(rows < 0, -1, known.ids[rows])
    return found
