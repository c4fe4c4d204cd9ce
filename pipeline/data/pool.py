"""A pool of images that may be far larger than memory: ids in, pixels out, from memory-mapped shards."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.errors import DataError, FileDamaged
from pipeline.files import check_file

Ids = NDArray[np.int64]
_OPEN_MAPS = 64
_checked: set[tuple[str, str, int, int, int]] = set()


class _Shards(Protocol):
    """Arrays uint8 (N, C, S, S) by position."""

    def __getitem__(self, shard: int) -> NDArray[np.uint8]: ...


class _MappedShards:
    """Opens shards when they are read, and keeps the last few open."""

    def __init__(self, paths: Sequence[Path], hashes: Sequence[str]) -> None:
        self._start(paths, hashes)

    def _start(self, paths: Sequence[Path], hashes: Sequence[str]) -> None:
        self.paths, self.hashes = list(paths), list(hashes)
        self._open: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._lock = threading.Lock()

    def __getitem__(self, shard: int) -> NDArray[np.uint8]:
        with self._lock:
            if shard not in self._open:
                if self.hashes:
                    _check_once(self.paths[shard], self.hashes[shard])
                self._open[shard] = _map_shard(self.paths[shard])
            self._open.move_to_end(shard)
            while len(self._open) > _OPEN_MAPS:
                self._open.popitem(last=False)
            return self._open[shard]

    def __getstate__(self) -> dict[str, Any]:
        """Shards travel to another process by their paths."""
        return {"paths": self.paths, "hashes": self.hashes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._start(state["paths"], state["hashes"])


def _check_once(path: Path, sha256: str) -> None:
    """Check a shard's hash when this process first opens it, and again only when the file changed."""
    try:
        found = path.stat()
    except OSError:
        return  # opening it says what is wrong
    seen = (str(path), sha256, found.st_ino, found.st_size, found.st_mtime_ns)
    if seen not in _checked:
        check_file(path, sha256)
        _checked.add(seen)


def _map_shard(path: Path) -> NDArray[np.uint8]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FileDamaged(f"expected a shard of images at {path}, got: {error}; restore it from a backup") from error
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.ndim != 4:
        raise FileDamaged(f"expected uint8 (N, C, S, S) in {path}, got something else; restore it from a backup")
    return array


@dataclass(frozen=True)
class Located:
    """Where the images of a pool lie, as `ImagePool` takes it: all that another process needs.

    Attributes:
        ids: int64 (N,).
        shard: int32 (N,), positions in `paths`.
        row: int32 (N,).
        paths: Of the shards that hold any of the images.
    """

    ids: Ids
    shard: NDArray[np.int32]
    row: NDArray[np.int32]
    paths: tuple[Path, ...]


class ImagePool:
    """Images by their sample ids.

    Args:
        ids: int64 (N,), each once.
        shard: int32 (N,): the position in `paths` of the shard that holds the image.
        row: int32 (N,): its row in that shard.
        paths: `.npy` files, uint8 (M, C, S, S) each, all of the same C and S.
        hashes: The sha256 of each path, checked when it is first opened; empty to trust the files.

    Raises:
        DataError: The arrays do not fit together, or an id comes twice.

    >>> pool = ImagePool.from_tensor(torch.arange(3, dtype=torch.uint8).reshape(3, 1, 1, 1), ids=[7, 8, 9])
    >>> pool.take([9, 7]).flatten().tolist()
    [2, 0]
    """

    def __init__(
        self, ids: Ids, shard: NDArray[Any], row: NDArray[Any], paths: Sequence[Path], hashes: Sequence[str] = ()
    ) -> None:
        paths = [Path(path) for path in paths]
        if hashes and len(hashes) != len(paths):
            raise DataError(f"expected a hash for each of {len(paths)} shards, got {len(hashes)}; give all or none")
        self._set(ids, shard, row, _MappedShards(paths, hashes))
        if len(self) and not (self._shard.min() >= 0 and self._shard.max() < len(paths) and self._row.min() >= 0):
            raise DataError(f"expected shards 0 to {len(paths) - 1} and rows from 0, got others; rebuild the index")

    @classmethod
    def from_tensor(cls, images: torch.Tensor, ids: Sequence[int] | Ids | None = None) -> ImagePool:
        """Make a pool of images in memory, for notebooks and tests.

        Args:
            images: uint8 (N, C, S, S).
            ids: N of them; 0 to N - 1 if missing.

        Raises:
            DataError: The images are no such tensor, or the ids do not fit.
        """
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise DataError(f"expected images as uint8 (N, C, S, S), got {images.dtype} {tuple(images.shape)}")
        pool = cls.__new__(cls)
        rows = np.arange(len(images), dtype=np.int32)
        named = np.asarray(rows if ids is None else ids)
        pool._set(named, np.zeros_like(rows), rows, [images.cpu().numpy()])
        return pool

    def _set(self, ids: NDArray[Any], shard: NDArray[Any], row: NDArray[Any], shards: _Shards) -> None:
        if ids.ndim != 1 or not ids.shape == shard.shape == row.shape or (ids.size and ids.dtype.kind not in "iu"):
            raise DataError(
                f"expected ids, shard and row as integers of one length, got {ids.dtype} {ids.shape}, {shard.shape} "
                f"and {row.shape}"
            )
        self._ids = ids.astype(np.int64)
        self._ids.setflags(write=False)
        self._shard, self._row, self._shards = shard.astype(np.int32), row.astype(np.int32), shards
        self._order = np.argsort(self._ids, kind="stable")
        self._sorted = self._ids[self._order]
        if (self._sorted[1:] == self._sorted[:-1]).any():
            raise DataError("expected each sample id once in a pool, got some twice; remove the repeats")

    def __len__(self) -> int:
        return len(self._ids)

    def __repr__(self) -> str:
        return f"ImagePool({len(self):,} images)"

    @property
    def ids(self) -> Ids:
        """The sample ids in the pool's order, read-only: int64 (N,)."""
        return self._ids

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, S, S) of every image.

        Raises:
            DataError: The pool is empty.
        """
        if not len(self):
            raise DataError("expected a pool with images, got an empty one; it has no image shape")
        channels, height, width = self._shards[int(self._shard[0])].shape[1:]
        return channels, height, width

    def subset(self, ids: Sequence[int] | Ids) -> ImagePool:
        """Return the pool of some of these images, in the order of `ids`; nothing is copied.

        Raises:
            DataError: An id is not in this pool, or comes twice.
        """
        places = self._places(ids)
        pool = ImagePool.__new__(ImagePool)
        pool._set(self._ids[places], self._shard[places], self._row[places], self._shards)
        return pool

    def located(self) -> Located:
        """Return where the images lie.

        Raises:
            DataError: They lie in memory.
        """
        if not isinstance(self._shards, _MappedShards):
            raise DataError(
                "expected a pool in files, got one in memory; write its images with np.save, or ingest them"
            )
        used, shard = np.unique(self._shard, return_inverse=True)
        paths = tuple(self._shards.paths[place] for place in used.tolist())
        return Located(self._ids, shard.astype(np.int32), self._row, paths)

    def take(self, ids: Sequence[int] | Ids) -> torch.Tensor:
        """Read images into memory.

        Args:
            ids: (B,) sample ids, in any order, also repeated.

        Returns:
            uint8 (B, C, S, S), in the order of `ids`.

        Raises:
            DataError: An id is not in this pool.
            FileDamaged: A shard is missing, shorter than the pool says, or not the file that was written.
        """
        return self._read(self._places(ids))

    def batches(self, batch_size: int) -> Iterator[tuple[Ids, torch.Tensor]]:
        """Go through the pool in the order of `ids`.

        Args:
            batch_size: B; the last batch may be smaller.

        Yields:
            Ids (B,) and images, uint8 (B, C, S, S).

        Raises:
            DataError: The batch size is below 1.
        """
        if batch_size < 1:
            raise DataError(f"expected a batch size of at least 1, got {batch_size}")
        for start in range(0, len(self), batch_size):
            places = np.arange(start, min(start + batch_size, len(self)))
            yield self._ids[places], self._read(places)

    def _places(self, ids: Sequence[int] | Ids) -> NDArray[np.intp]:
        wanted = np.asarray(ids)
        if wanted.ndim != 1 or (wanted.size and wanted.dtype.kind not in "iu"):
            raise DataError(f"expected sample ids as integers (B,), got {wanted.dtype} {wanted.shape}")
        wanted = wanted.astype(np.int64)
        if not len(self) and wanted.size:
            raise DataError(f"expected ids of this pool, got {int(wanted[0])}; the pool is empty")
        places = np.searchsorted(self._sorted, wanted).clip(0, max(0, len(self) - 1))
        strange = wanted[self._sorted[places] != wanted] if wanted.size else wanted
        if strange.size:
            raise DataError(f"expected ids of this pool, got {int(strange[0])} and {strange.size - 1} others not in it")
        return np.asarray(self._order[places])

    def _read(self, places: NDArray[np.intp]) -> torch.Tensor:
        """Read rows shard by shard, each in ascending order, into their places of the answer."""
        if not len(places):
            shape = self.image_shape if len(self) else (0, 0, 0)
            return torch.empty((0, *shape), dtype=torch.uint8)
        shard, row = self._shard[places], self._row[places]
        order = np.lexsort((row, shard))
        images = np.empty((len(places), *self._shards[int(shard[0])].shape[1:]), np.uint8)  # (B, C, S, S)
        for part in np.split(order, np.flatnonzero(np.diff(shard[order])) + 1):
            self._copy_rows(images, part, int(shard[part[0]]), row[part])
        return torch.from_numpy(images)

    def _copy_rows(
        self, images: NDArray[np.uint8], into: NDArray[np.intp], shard: int, rows: NDArray[np.int32]
    ) -> None:
        array = self._shards[shard]
        if rows[-1] >= len(array) or array.shape[1:] != images.shape[1:]:
            raise FileDamaged(
                f"expected row {int(rows[-1])} of shape {images.shape[1:]} in a shard, got {array.shape}; "
                "the shard is not the one that the pool was made of"
            )
        images[into] = array[rows]
