"""What preparing images gives: for each item one of five outcomes, so that none is lost without a word."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.files import FileRecord


@dataclass(frozen=True, slots=True)
class PreparedSample:
    """One image that lies in a shard.

    Attributes:
        sha256: Identity: of the file's bytes; of shape, type and values for a row of an array.
        name: What people call it.
        source_path: The file where it was found, absolute; None for a row of an array.
        copied: The copy of the file, if copies were asked for.
        split: `pool`, `validation` or `test`.
        known_class: The class that came with it.
        width: Of the upright original, in pixels.
        height: Of the upright original, in pixels.
        row: Its place in the shard's pixels.
        display_offset: Where its display file starts in the shard's pack, in bytes.
        display_length: The length of its display file, in bytes.
        media_type: Of its display file.
        notes: What was done to it that a person may want to know.
    """

    sha256: str
    name: str
    source_path: Path | None
    copied: FileRecord | None
    split: str
    known_class: str | None
    width: int
    height: int
    row: int
    display_offset: int
    display_length: int
    media_type: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PreparedShard:
    """Some thousand images on disk: one array for models, one pack for browsers.

    Attributes:
        pixels: A `.npy` file, uint8 (N, C, S, S).
        display: The encoded display files, one after the other.
        samples: One for each row, in order.
    """

    pixels: FileRecord
    display: FileRecord
    samples: list[PreparedSample]


@dataclass(frozen=True, slots=True)
class Rejection:
    """An item that cannot be used, and why, in one line."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An item with the same content as an earlier one of this run; kept once.

    Its class and split may differ from the first one's: `known_class` and `split` let the caller say so.
    """

    name: str
    of_sha256: str
    known_class: str | None = None
    split: str | None = None


@dataclass(frozen=True, slots=True)
class AlreadyKnown:
    """An item that the store has already."""

    name: str
    sha256: str
    known_class: str | None
    split: str


Outcome = PreparedShard | Rejection | Duplicate | AlreadyKnown
