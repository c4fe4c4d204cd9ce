"""What every source of images looks like, so that nothing downstream knows where an image came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from pipeline.errors import DataError

SPLITS = ("pool", "validation", "test")
SPLIT_NAMES = {
    "train": "pool",
    "pool": "pool",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}


@dataclass(frozen=True, slots=True)
class SourceItem:
    """One image of a source, not read yet.

    Attributes:
        name: What people call it: its path below the source, or the array's name and row.
        path: The image file, or None for a row of an array.
        load: Reads it: the bytes of a file, or an array. Raises ImageRejected where it cannot be read.
        known_class: The class that came with it, or None.
        split: `pool`, `validation` or `test` where the source says so, else None.
        remote: Whether it is a file in an object store; its name is its URL then, and it has no path.
    """

    name: str
    path: Path | None
    load: Callable[[], bytes | NDArray[Any]]
    known_class: str | None = None
    split: str | None = None
    remote: bool = False


class Source(Protocol):
    """Images from anywhere, in a fixed order, read one by one and more than once if asked."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The known classes in their natural order; empty where none came along."""

    @property
    def description(self) -> str:
        """One line for people: what it is, and how much."""

    def __len__(self) -> int:
        """How many items iteration gives, the unreadable ones included."""

    def __iter__(self) -> Iterator[SourceItem]:
        """Give the items; never raises for a bad file: its `load` does."""


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key that puts `image9` before `image10`, and does not let upper case come first.

    >>> sorted(["b10", "B9", "a"], key=natural_key)
    ['a', 'B9', 'b10']
    """
    parts = re.split(r"([0-9]+)", name.lower())  # text, number, text, ...: positions compare like with like
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def split_of(name: str) -> str | None:
    """Return the split that a folder's or a column's word names, or None.

    >>> split_of("Train"), split_of("val"), split_of("cats")
    ('pool', 'validation', None)
    """
    return SPLIT_NAMES.get(name.strip().lower())


def clean_class(name: str, where: str) -> str:
    """Check one class name that came with data.

    Raises:
        DataError: It cannot be shown or stored.
    """
    if not name.strip() or len(name) > 200 or not name.isprintable():
        raise DataError(f"expected a class name of 1 to 200 printable characters, got {name!r} in {where}; rename it")
    return name.strip()
