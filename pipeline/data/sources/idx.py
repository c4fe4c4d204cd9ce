"""Reads IDX, the format of MNIST and its family (described at the end of yann.lecun.com/exdb/mnist), gzipped or not."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.data.sources.arrays import ArrayPart, ArraySource
from pipeline.data.sources.spool import map_stream
from pipeline.errors import DataError

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_NAME = re.compile(r"^(?P<stem>.*?)[-_.]?images[-_.]idx(?P<dims>[34])[-_.]ubyte(?P<gz>\.gz)?$")
_SPLITS = {"train": "pool", "t10k": "test", "test": "test", "validation": "validation", "val": "validation"}


def read_idx(path: Path) -> NDArray[Any]:
    """Map one IDX file; a gzipped one is unpacked into an unnamed temporary file first.

    Raises:
        DataError: It is no IDX file, or is damaged or cut off.
    """
    try:
        with path.open("rb") as probe:
            packed = probe.read(2) == b"\x1f\x8b"
        with cast("IO[bytes]", gzip.open(path) if packed else path.open("rb")) as stream:
            shape, dtype, offset = _header(stream, path.name)
            if packed:
                return map_stream(stream, shape, dtype, path.name)
        return _map_file(path, shape, dtype, offset)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise DataError(f"expected an IDX file at {path}, got: {error}; get it again") from error


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    zeros, kind, dimensions = struct.unpack(">HBB", stream.read(4))
    if zeros or kind not in _TYPES or not 1 <= dimensions <= 4:
        raise DataError(f"expected an IDX file in {name}, got other bytes at its start; check the file")
    shape = struct.unpack(f">{dimensions}I", stream.read(4 * dimensions))
    return shape, np.dtype(_TYPES[kind]), 4 + 4 * dimensions


def _map_file(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int) -> NDArray[Any]:
    expected = offset + dtype.itemsize * int(np.prod(shape, dtype=object))
    if path.stat().st_size != expected:
        raise DataError(f"expected {expected:,} bytes in {path.name}, got {path.stat().st_size:,}; get it again")
    if expected == offset:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape)


def idx_images(folder: Path) -> list[Path]:
    """Return the IDX image files that lie directly in a folder; one of a plain and a gzipped twin."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):  # `x` comes before `x.gz`
        if _NAME.match(path.name) and path.is_file():
            found.setdefault(path.name.removesuffix(".gz"), path)
    return list(found.values())


def idx_source(
    images: list[Path], title: str, classes: tuple[str, ...] | None = None, *, transposed: bool = False, base: int = 0
) -> ArraySource:
    """Open IDX image files with the label files beside them.

    Args:
        images: Image files. `train...` goes to the pool, `t10k...` and `test...` to test, others nowhere yet.
        title: What they are called, for people.
        classes: The classes' names; else the labels' numbers.
        transposed: Rows and columns are exchanged, as EMNIST ships them (files named `emnist-...` always are).
        base: The label of the first class (1 for EMNIST's letters).

    Raises:
        DataError: A file is damaged, or some image files have labels and others not.
    """
    labels = [_labels_of(path) for path in images]
    if any(found is None for found in labels) and any(found is not None for found in labels):
        without = next(path.name for path, found in zip(images, labels, strict=True) if found is None)
        raise DataError(f"expected a label file beside {without} as beside the others, got none; add or remove one")
    known = [np.asarray(found, np.int64) - base for found in labels if found is not None]
    if classes is None:
        top = max((int(found.max()) for found in known if len(found)), default=-1)
        classes = tuple(str(number) for number in range(top + 1))
    parts = [
        ArrayPart(
            path.name.removesuffix(".gz"),
            read_idx(path),
            known[index] if known else None,
            split=_split_of(path),
            transposed=transposed or path.name.startswith("emnist-"),
        )
        for index, path in enumerate(images)
    ]
    return ArraySource(parts, classes, title)


def _labels_of(images: Path) -> NDArray[Any] | None:
    match = _NAME.match(images.name)
    stem = match["stem"] if match else images.name
    for path in sorted(images.parent.iterdir()):
        if re.match(rf"^{re.escape(stem)}[-_.]?labels[-_.]idx[12][-_.](ubyte|int)(\.gz)?$", path.name):
            labels = read_idx(path)
            return labels[:, 0] if labels.ndim == 2 else labels  # QMNIST: the class is the first of eight columns
    return None


def _split_of(images: Path) -> str | None:
    match = _NAME.match(images.name)
    words = re.split(r"[-_.]", match["stem"].lower()) if match else []
    return next((_SPLITS[word] for word in words if word in _SPLITS), None)
