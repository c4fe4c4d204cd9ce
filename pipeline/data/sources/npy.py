"""Opens NumPy's files as memory maps; one that holds Python objects is refused: reading it would run its code."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from pipeline.data.sources.spool import map_stream
from pipeline.errors import DataError


def open_npy(path: Path) -> NDArray[Any]:
    """Map a `.npy` file.

    Raises:
        DataError: It is damaged, cut off, empty of rows, or holds Python objects.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"expected an array of numbers in {path.name}, got: {_why(error)}; get it again") from error
    if not isinstance(array, np.ndarray) or array.ndim == 0:
        raise DataError(f"expected an array of images in {path.name}, got a single value or an archive")
    return array


def open_npz(path: Path) -> dict[str, Callable[[], NDArray[Any]]]:
    """List the arrays of a `.npz` file; each is unpacked and mapped when called.

    Raises:
        DataError: It is no readable archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"expected a .npz archive at {path}, got: {error}; get it again") from error
    return {name.removesuffix(".npy"): _opener(path, name) for name in names}


def _opener(path: Path, member: str) -> Callable[[], NDArray[Any]]:
    def unpack() -> NDArray[Any]:
        where = f"{path.name}:{member}"
        try:
            with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
                shape, fortran, dtype = _header(stream)
                if dtype.hasobject:
                    raise DataError(f"expected numbers in {where}, got Python objects, which are never loaded")
                return map_stream(stream, shape, dtype, where, fortran=fortran)
        except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, RuntimeError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{where} is damaged: {_why(error)}; get it again") from error

    return unpack


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy_format.read_magic(stream)
    reader = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    return reader(stream)


def _why(error: Exception) -> str:
    text = str(error)
    if "allow_pickle" in text or "Python objects" in text:
        return "Python objects, which are never loaded"
    return text.splitlines()[0] if text else type(error).__name__
