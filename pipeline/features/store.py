"""Features of a pool, as many as fit on a disk: a float16 memory map, rows in the order of the sample ids.

Rows by id make every choice that is computed from them independent of the pool's order; ties by row are ties by id.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import StrategyError

Ids = NDArray[np.int64]
Rows = NDArray[Any] | Tensor


class FeatureStore:
    """One row of features an image.

    Args:
        ids: int64 (N,), in any order.
        folder: Where the file lies while it is used; the system's temporary folder if None. It has no name there and
            goes with the process.
        dtype: float16 for features; float32 for numbers that span more.

    Attributes:
        ids: int64 (N,), ascending: row r belongs to ids[r].
    """

    def __init__(self, ids: Ids, folder: Path | None = None, dtype: type[np.floating[Any]] = np.float16) -> None:
        self.ids = np.sort(ids)
        self._type = np.finfo(dtype)
        self._folder = folder
        self._rows: NDArray[Any] | None = None
        self._written = 0

    def __len__(self) -> int:
        return len(self.ids)

    def put(self, ids: Ids, features: Tensor) -> None:
        """Write the features (B, D) of some images.

        Raises:
            StrategyError: They are not finite, or too large for half precision.
        """
        if self._rows is None:
            self._rows = self._make(features.shape[1])
        largest = float(features.abs().max()) if features.numel() else 0.0
        if not largest <= float(self._type.max):
            raise StrategyError(
                f"expected features of at most {float(self._type.max):,.0f}, got {largest:,.0f}; train the model "
                "again, with a lower learning rate or with normalization"
            )
        values = features if features.dtype == torch.float64 else features.float()  # NumPy knows no bfloat16
        self._rows[np.searchsorted(self.ids, ids)] = values.cpu().numpy().astype(self._type.dtype)
        self._written += len(ids)

    def put_rows(self, ids: Ids, rows: NDArray[Any]) -> None:
        """Write rows (B, D) that another store of the same kind held."""
        if len(ids):
            self.put(ids, torch.from_numpy(np.array(rows)))

    def _make(self, width: int) -> NDArray[Any]:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._folder) as file:  # the map stays when the file is closed
            return np.memmap(file, dtype=self._type.dtype, mode="w+", shape=(len(self.ids), width))

    @property
    def rows(self) -> NDArray[Any]:
        """The features, float16 or float32 (N, D), memory-mapped.

        Raises:
            StrategyError: Some are not written yet.
        """
        if self._rows is None or self._written < len(self.ids):
            raise StrategyError(f"expected features of {len(self.ids)} images, got {self._written}; look at the pool")
        return self._rows

    def normalized(self) -> FeatureStore:
        """Return a store of the same rows at length 1; zero rows stay zero."""
        store = FeatureStore(self.ids, self._folder)
        for where, some in blocks(self.rows):
            store.put(self.ids[where], normalized(some))
        return store

    def take(self, ids: Ids) -> NDArray[np.float32]:
        """Return features, float32 (B, D), of some images, in their order."""
        return np.asarray(self.rows[np.searchsorted(self.ids, ids)], dtype=np.float32)


def blocks(rows: Rows, size: int = 1 << 25) -> Iterator[tuple[slice, Tensor]]:
    """Go through features as float32, some at a time.

    Args:
        rows: (N, D), float16 or float32, also memory-mapped.
        size: Values at a time.

    Yields:
        Which rows, and their features, float32 (B, D).
    """
    step = max(1, size // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        where = slice(start, min(start + step, len(rows)))
        yield where, as_float(rows[where])


def as_float(rows: Rows) -> Tensor:
    """Return rows as a float32 tensor; torch turns half precision several times faster than NumPy."""
    if isinstance(rows, Tensor):
        return rows.float()
    return torch.from_numpy(np.array(rows) if isinstance(rows, np.memmap) else np.ascontiguousarray(rows)).float()


def normalized(rows: Tensor) -> Tensor:
    """Return rows (N, D) of length 1; zero rows stay zero."""
    return torch.nn.functional.normalize(rows, dim=1)
