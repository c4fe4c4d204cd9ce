"""Images and the files they live in, as they enter and leave the store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """A file that is safely on disk: path relative to BORDERLINE_HOME (posix), hash and size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class StoredFile(NewFile):
    """A file that a row names: whose it is, and what for."""

    project_id: int
    kind: str


@dataclass(frozen=True, kw_only=True)
class Original:
    """An image that a sample was read from and that was left where it lies: an absolute path outside of the home."""

    sample_id: int
    project_id: int
    path: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class NewShard:
    """A shard: decoded pixels (.npy, uint8 (N, C, S, S)) and the pack of display images."""

    pixels: NewFile
    display: NewFile


@dataclass(frozen=True, kw_only=True)
class NewSample:
    """One image of a shard. `split` is 'pool', 'validation' or 'test'; `known_class` is a class name."""

    sha256: str
    name: str
    row: int
    width: int
    height: int
    display_offset: int
    display_length: int
    media_type: str
    split: str = "pool"
    known_class: str | None = None
    source_path: str | None = None
    copied: NewFile | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Registered:
    """Rows added, labels made from known classes, and images that were there already."""

    added: int
    labeled: int
    already: int


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolIndex:
    """Where each sample's pixels are: `shard` indexes `paths` and `shas` (the shard files and their hashes)."""

    ids: NDArray[np.int64]  # (N,)
    shard: NDArray[np.int32]  # (N,)
    row: NDArray[np.int32]  # (N,)
    paths: list[str]
    shas: list[str]


@dataclass(frozen=True, kw_only=True)
class Display:
    """Where the re-encoded image that people see lies, and its cache tag."""

    path: str
    offset: int
    length: int
    media_type: str
    etag: str


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How far a project is. `labels` = labels of pool and holdout; `open` and `claimed` count queries."""

    pool: int
    holdout: int
    validation: int
    test: int
    labels: int
    labeled_pool: int
    labeled_holdout: int
    set_aside: int
    open: int
    claimed: int
