"""Image bytes for exports: the file that was ingested if it still is what it was, else the display image."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from db.records import LabelEntry, Picture

_PIECE = 1 << 20
LARGEST_DISPLAY = 64 << 20
SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}


@dataclass(frozen=True)
class Found:
    """Where the bytes of an image were found: a whole file, or (None) only in a pack of display images."""

    file: Path | None

    @property
    def kind(self) -> str:
        """What a report calls it."""
        return "display" if self.file is None else "original"


def find(home: Path, label: LabelEntry, picture: Picture) -> Found:
    """Return the file whose bytes have the sample's hash: where it came from, or the copy that was taken in."""
    candidates = [Path(picture.source_path)] if picture.source_path else []
    if picture.copied_path:
        candidates.append(home / picture.copied_path)
    return Found(next((path for path in candidates if file_sha256(path) == label.sha256), None))


def file_sha256(path: Path) -> str | None:
    """Return the hash of a regular file's bytes, None if it cannot be read."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None


def display_bytes(home: Path, picture: Picture) -> bytes | None:
    """Return the display image, None if its pack is gone, cut short or not below the home folder."""
    pack = (home / picture.pack_path).resolve()
    if not pack.is_relative_to(home.resolve()) or not 0 < picture.length <= LARGEST_DISPLAY:
        return None
    try:
        with pack.open("rb") as file:
            file.seek(picture.offset)
            data = file.read(picture.length)
    except OSError:
        return None
    return data if len(data) == picture.length else None


def copy_file(source: Path, target: Path) -> None:
    """Copy bytes into a new file; a file or link that is there already is an error."""
    with source.open("rb") as reading, target.open("xb") as writing:
        while piece := reading.read(_PIECE):
            writing.write(piece)


def link_file(source: Path, target: Path) -> None:
    """Make a symbolic link to a file."""
    target.symlink_to(source.absolute())
