"""The files of all backups of a folder, each content once under its hash: the next backup copies only what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import FileDamaged
from pipeline.files import FileRecord, atomic_write, check_file

_CHUNK = 1 << 20


class FileStore:
    """Files by their sha256.

    Args:
        folder: Of the backups; the files lie in ``files`` below it.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "files"

    def path(self, sha256: str) -> Path:
        """Return where a content lies, or would."""
        return self.root / sha256[:2] / sha256

    def holds(self, sha256: str, size: int | None = None) -> bool:
        """Tell whether a content is there, by its name and (unless None) its size; `check` reads it."""
        try:
            found = self.path(sha256).stat().st_size
        except OSError:
            return False
        return size is None or found == size

    def take(self, source: Path, sha256: str) -> FileRecord:
        """Copy a file in; it gets its name only if its content is what the name says.

        Raises:
            FileDamaged: It cannot be read, or is another content.
        """
        return copy_checked(source, self.path(sha256), sha256)

    def give(self, sha256: str, target: Path) -> FileRecord:
        """Copy a content to a place.

        Raises:
            FileDamaged: It is not there, or was damaged.
        """
        return copy_checked(self.path(sha256), target, sha256)

    def check(self, sha256: str) -> str:
        """Return what is wrong with a content, in words; empty if nothing is."""
        if not self.path(sha256).is_file():
            return "it is missing"
        try:
            check_file(self.path(sha256), sha256)
        except FileDamaged as error:
            return str(error)
        return ""

    def keep_only(self, wanted: set[str]) -> int:
        """Remove every content that is not wanted, and what a killed copy left; return the bytes freed."""
        freed = 0
        for path in self.root.glob("??/*"):
            if path.name not in wanted:
                freed += path.stat().st_size
                path.unlink()
        return freed


def copy_checked(source: Path, target: Path, sha256: str) -> FileRecord:
    """Copy a file so that the target is there whole, with this hash, or not at all.

    Raises:
        FileDamaged: The source cannot be read, or has another hash.
    """

    def write(out: BinaryIO) -> None:
        digest = hashlib.sha256()
        try:
            with source.open("rb") as file:
                while part := file.read(_CHUNK):
                    digest.update(part)
                    out.write(part)
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            raise FileDamaged(f"it cannot be read: {error.strerror}") from error
        if digest.hexdigest() != sha256:
            raise FileDamaged(f"its sha256 is {digest.hexdigest()[:12]}..., not {sha256[:12]}...")

    return atomic_write(target, write)


def total(sizes: Iterable[tuple[str, int]]) -> int:
    """Return the bytes of contents given as (hash, size), each counted once."""
    return sum(dict(sizes).values())
