"""Treats names of files as data: checked, noted, never trusted and never used to build a path of ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from pipeline.data.decode import DecodedImage
from pipeline.data.sources.base import SourceItem
from pipeline.errors import ImageRejected

_SUFFIXES = {"JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"), "TIFF": (".tif", ".tiff"), "MPO": (".jpg", ".jpeg", ".mpo")}


def check_name(item: SourceItem) -> None:
    """Make sure that an item's name and path can be stored as text.

    Raises:
        ImageRejected: Bytes of the file's name are not UTF-8.
    """
    if printable(item.name) != item.name or (item.path and printable(str(item.path)) != str(item.path)):
        raise ImageRejected("its name is not valid UTF-8 text: rename the file")


def printable(name: str) -> str:
    """Replace what cannot be stored as text: bytes of a file name that are not UTF-8."""
    return name.encode("utf-8", "replace").decode()


def suffixes(kind: str | None) -> tuple[str, ...]:
    """Return the file name endings of a format, the usual one first.

    >>> suffixes("PNG"), suffixes("JPEG")[0]
    (('.png',), '.jpg')
    """
    return _SUFFIXES.get(kind or "", (f".{(kind or 'bin').lower()}",))


def note_wrong_suffix(image: DecodedImage, item: SourceItem) -> DecodedImage:
    """Add a note to an image whose file is named as another format; its content is what counts."""
    path = PurePosixPath(item.name) if item.remote else item.path
    suffix = path.suffix.lower() if path else ""
    if not suffix or image.format is None or suffix in suffixes(image.format):
        return image
    return replace(image, notes=(*image.notes, f"named {suffix} but it is a {image.format} file"))
