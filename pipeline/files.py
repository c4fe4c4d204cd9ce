"""Writes files whole or not at all: a half-written shard or checkpoint must never be taken for a good one."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from pipeline.errors import FileDamaged

_CHUNK = 1 << 20


@dataclass(frozen=True)
class FileRecord:
    """What is kept about a written file, so that a reader can tell whether it is still that file.

    Attributes:
        path: Where it lies.
        sha256: Hex digest of its bytes.
        size: Its length in bytes.
    """

    path: Path
    sha256: str
    size: int


def atomic_write(path: Path, writer: Callable[[BinaryIO], None]) -> FileRecord:
    """Write `path` so that a reader, even after a crash or a power cut, sees the old file, the new one, or none.

    A temporary file in the same folder is written, flushed to disk, renamed over `path`, and then the folder is
    flushed too. Missing folders are made. If `writer` raises, nothing is left behind and the old file stays.

    Args:
        path: The final place.
        writer: Gets the open file and writes everything into it. It may seek: the hash is of the finished bytes.

    Returns:
        The path with sha256 and size of what was written.
    """
    _make_folders(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:80]}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            writer(cast(BinaryIO, file))
            file.flush()
            file.seek(0)
            sha256, size = _digest(cast(BinaryIO, file))
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return FileRecord(path, sha256, size)


def atomic_write_bytes(path: Path, data: bytes) -> FileRecord:
    """Write `data` to `path` by `atomic_write`."""

    def writer(file: BinaryIO) -> None:
        file.write(data)

    return atomic_write(path, writer)


def sha256_file(path: Path) -> str:
    """Return the hex sha256 of a file's bytes, read in pieces.

    Raises:
        FileDamaged: The file is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _digest(file)[0]
    except OSError as error:
        raise FileDamaged(f"expected a readable file at {path}, got: {error.strerror or error}") from error


def check_file(path: Path, sha256: str) -> None:
    """Make sure that a file still holds the bytes that were written.

    Raises:
        FileDamaged: It is missing, or its hash differs.
    """
    found = sha256_file(path)
    if found != sha256:
        raise FileDamaged(
            f"expected {path} with sha256 {sha256[:12]}..., got {found[:12]}...; "
            "the file was changed or damaged: restore it from a backup"
        )


def _digest(file: BinaryIO) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def _make_folders(folder: Path) -> None:
    """Make a folder and its parents, and flush each new name to disk: a synced file in an unsynced folder is lost."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder, so that what was renamed in it is there after a power cut."""
    if os.name == "nt":  # folders cannot be opened there; the rename itself is journaled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    """Return the process's umask; Linux tells it without setting it, which would race with other threads."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except OSError:
        pass
    return 0o077
