"""What travels between a ranking and its actors: ids and paths there, small arrays and paths of large ones back.

Nothing is pickled here: arrays go as safetensors, and those above a megabyte as a file in the home folder, which all
machines see.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from pipeline.data.pool import ImagePool
from pipeline.errors import DataError
from pipeline.strategies.base import Arrays

_LARGE = 1 << 20  # bytes
_FILES = "files"  # paths of large arrays, by name, as JSON

Row = dict[str, Any]


def shard_rows(pool: ImagePool, size: int) -> Iterator[Row]:
    """Yield one row a shard: its ids, and in which rows of which files its images lie.

    Args:
        pool: Images on disk.
        size: Images a shard.

    Raises:
        DataError: The pool lies in memory.
    """
    for number, start in enumerate(range(0, len(pool), size)):
        part = pool.subset(pool.ids[start : start + size]).located()
        yield {
            "number": number,
            "ids": part.ids.tobytes(),
            "shard": part.shard.tobytes(),
            "row": part.row.tobytes(),
            "paths": json.dumps([str(path) for path in part.paths]),
        }


def pool_of(row: Row) -> ImagePool:
    """Return the images of one row of `shard_rows`."""
    return ImagePool(
        np.frombuffer(row["ids"], dtype=np.int64),
        np.frombuffer(row["shard"], dtype=np.int32),
        np.frombuffer(row["row"], dtype=np.int32),
        [Path(path) for path in json.loads(row["paths"])],
    )


def pack(arrays: Arrays, folder: Path) -> bytes:
    """Return arrays as bytes; large ones are written into the folder, under names of their own."""
    files: dict[str, str] = {}
    small: Arrays = {}
    for name, array in arrays.items():
        if array.nbytes <= _LARGE:
            small[name] = np.ascontiguousarray(array)
            continue
        path = folder / f"{secrets.token_hex(8)}.npy"
        np.save(path, array, allow_pickle=False)
        files[name] = str(path)
    return save(small | {_FILES: np.frombuffer(json.dumps(files).encode(), dtype=np.uint8)})


def unpack(data: bytes) -> tuple[Arrays, list[Path]]:
    """Return the arrays of `pack`, large ones memory-mapped, and the files that can go once they are read.

    Raises:
        DataError: A file is not there.
    """
    arrays: Arrays = load(data)
    files = {name: Path(path) for name, path in json.loads(arrays.pop(_FILES).tobytes()).items()}
    try:
        large = {name: np.load(path, mmap_mode="r", allow_pickle=False) for name, path in files.items()}
    except OSError as error:
        raise DataError(
            f"expected a worker's file in the home folder, got: {error}; let BORDERLINE_HOME be a folder that all "
            "machines see under the same path"
        ) from error
    return arrays | large, list(files.values())
