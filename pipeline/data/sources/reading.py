"""Opens image files that strangers may have named or linked; what leaves the folder is not followed (T1, T2)."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from pipeline.errors import ImageRejected

BYTE_CAP = 512 * 1024 * 1024
_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
NEVER_IMAGES = frozenset(
    {".txt", ".md", ".rst", ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".html", ".htm"}
    | {".log", ".ini", ".db", ".sqlite", ".py", ".ipynb", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".parquet"}
    | {".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".npy", ".npz", ".pt", ".pth", ".onnx", ".safetensors"}
    | {".mp3", ".mp4", ".mov", ".avi"}
)


def read_image_file(path: Path, root: Path | None) -> bytes:
    """Read a file that may hold an image.

    Args:
        path: The file.
        root: The resolved folder that a symbolic link must not leave; None where a person listed each path by hand.

    Raises:
        ImageRejected: It is missing, no plain file, too large, a link out of the folder, or plainly not an image.
    """
    if root is not None and path.suffix.lower() in NEVER_IMAGES:
        raise ImageRejected(f"not an image but a {path.suffix.lower()} file")
    try:
        return _read(_open(path, root))
    except ImageRejected:
        raise
    except FileNotFoundError:
        raise ImageRejected("there is no such file") from None
    except OSError as error:
        raise ImageRejected(f"it cannot be opened: {(error.strerror or str(error)).lower()}") from error
    except ValueError:  # a NUL in the path
        raise ImageRejected("its path holds a character that no file name can hold") from None


def _open(path: Path, root: Path | None) -> int:
    if root is None:
        return os.open(path.resolve(strict=True), _FLAGS)
    try:
        return os.open(path, _FLAGS)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EMLINK):  # O_NOFOLLOW met a link (Linux, macOS; FreeBSD)
            raise
    return os.open(_linked(path, root), _FLAGS)


def _linked(path: Path, root: Path) -> Path:
    """Return where a symbolic link leads, if that is a file inside of the folder."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise ImageRejected("a symbolic link that leads nowhere") from None
    if not target.is_relative_to(root):
        raise ImageRejected("a symbolic link that leaves the folder: it is not followed")
    if target.is_dir():
        raise ImageRejected("a symbolic link to a folder: it is not followed")
    return target


def _read(descriptor: int) -> bytes:
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            folder = stat.S_ISDIR(status.st_mode)
            raise ImageRejected("a folder that cannot be listed" if folder else "not a plain file")
        if status.st_size > BYTE_CAP:
            raise ImageRejected(f"it is {status.st_size >> 20} MB large; the limit is {BYTE_CAP >> 20} MB")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(status.st_size)  # what is asked for is allocated at once
    finally:
        os.close(descriptor)
