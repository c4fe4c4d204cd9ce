"""Unpacks a compressed array into an unnamed temporary file, so that it can be memory-mapped like a plain one.

What comes out is cut at the size that the array's own header declares: a small file cannot fill the disk.
"""

from __future__ import annotations

import tempfile
import zlib
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError

_CHUNK = 1 << 20


def map_stream(
    stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], name: str, *, fortran: bool = False
) -> NDArray[Any]:
    """Copy an array's values from a stream to a temporary file and map that read-only.

    The file has no name and goes when the array does.

    Args:
        stream: Stands at the first value.
        shape: Of the array.
        dtype: Of the array.
        name: The file's name, for messages.
        fortran: Whether the first index runs fastest.

    Raises:
        DataError: The stream is damaged, or shorter or longer than the array.
    """
    size = dtype.itemsize
    for length in shape:
        size *= length
    if size == 0:
        return np.zeros(shape, dtype)
    file = tempfile.TemporaryFile(prefix="borderline-")  # noqa: SIM115  # the map keeps it open
    try:
        _copy(stream, file, size, name)
        return np.memmap(file, dtype, "r", 0, shape, "F" if fortran else "C")
    finally:
        file.close()  # the mapping stays


def _copy(stream: IO[bytes], file: IO[bytes], size: int, name: str) -> None:
    copied = 0
    try:
        while chunk := stream.read(_CHUNK):
            copied += len(chunk)
            if copied > size:
                break
            file.write(chunk)
    except (EOFError, OSError, zlib.error, ValueError) as error:
        raise DataError(f"{name} is damaged or cut off ({error}); get it again") from error
    file.flush()
    if copied != size:
        got = f"only {copied:,}" if copied < size else "more"
        raise DataError(f"expected {size:,} bytes of values in {name} as its header says, got {got}; get it again")
