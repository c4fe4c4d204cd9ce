"""Turns any source into shards on disk: read, hash, ask the store what it has, decode the rest, write.

Reading and decoding run in threads (Pillow and hashlib let go of the interpreter's lock); everything else happens in
the caller's thread, in the source's order, so that a run gives the same outcomes in the same order with any number of
threads. Only a few chunks are under way at a time: memory does not grow with the source, but for 16 bytes an image.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.decode import DecodedImage, ImageSpec, decode_image
from pipeline.data.naming import check_name, note_wrong_suffix, printable, suffixes
from pipeline.data.records import AlreadyKnown, Duplicate, Outcome, PreparedSample, PreparedShard, Rejection
from pipeline.data.seen import SeenHashes
from pipeline.data.shard_writer import ShardWriter
from pipeline.data.sources.base import SPLITS, Source, SourceItem
from pipeline.errors import DataError, ImageRejected
from pipeline.files import FileRecord, atomic_write_bytes, sha256_file

__all__ = [
    "AlreadyKnown", "Duplicate", "Outcome", "PreparedSample", "PreparedShard", "Rejection",
    "content_hash", "prepare_shards",
]  # fmt: skip

_FILES_A_CHUNK, _ROWS_A_CHUNK, _FETCHED_A_CHUNK = 8, 256, 2

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(slots=True)
class _Loaded:
    """One item on its way: with its content, then either an image or what became of it instead."""

    item: SourceItem
    split: str
    sha256: str = ""
    data: bytes | NDArray[Any] | None = None
    outcome: Rejection | Duplicate | AlreadyKnown | None = None
    image: DecodedImage | None = None
    copied: FileRecord | None = None


def prepare_shards(
    source: Source,
    spec: ImageSpec,
    out_dir: Path,
    *,
    known: Callable[[Sequence[str]], set[str]],
    default_split: str = "pool",
    workers: int = 0,
    copy_to: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    keep_duplicates: bool = False,
    max_images: int = 8192,
    max_bytes: int = 64 * 1024 * 1024,
) -> Iterator[Outcome]:
    """Read every item of a source and give its outcome; images come in shards as these fill up.

    A shard is on disk, whole, when it is given: register it before asking for the next.

    Args:
        source: Where the images come from.
        spec: The size and channels that the model wants.
        out_dir: Where shards are written; made if missing.
        known: Tells which of some content hashes the store has already. Called in the caller's thread.
        default_split: For items whose source names none: `pool`, `validation` or `test`.
        workers: Threads that read and decode; 0 for one a core.
        copy_to: Take a copy of each file in, as `<aa>/<sha256>.<format>`; rows of arrays have no file to copy.
        on_progress: Called with how many items are done, and how many there are.
        keep_duplicates: Give a sample for every item, even of equal content (`predict` answers each).
        max_images: A shard closes at so many images,
        max_bytes: or at so many bytes of pixels or of display files.

    Yields:
        A PreparedShard for every few thousand images; a Rejection, Duplicate or AlreadyKnown for every other item.

    Raises:
        DataError: The default split is none. No bad item raises anything.
    """
    if default_split not in SPLITS:
        raise DataError(f"expected a split among {', '.join(SPLITS)}, got {default_split!r}")
    return _prepare(
        source,
        _Stages(default_split, spec, known, copy_to, keep_duplicates),
        ShardWriter(out_dir, spec, max_images, max_bytes),
        workers or os.cpu_count() or 1,
        on_progress or (lambda done, total: None),
    )


def content_hash(data: bytes | NDArray[Any]) -> str:
    """Return the hex sha256 that is an image's identity.

    Args:
        data: A file's bytes; or an array, whose shape and type count too.
    """
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()
    digest = hashlib.sha256(f"{data.shape} {data.dtype.str} ".encode())
    digest.update(np.ascontiguousarray(data).data)
    return digest.hexdigest()


def _prepare(
    source: Source, stages: _Stages, writer: ShardWriter, workers: int, on_progress: Callable[[int, int], None]
) -> Iterator[Outcome]:
    total, done = len(source), 0
    with ThreadPoolExecutor(workers, "borderline-decode") as threads:
        loaded = _in_order(threads, stages.load, _chunks(source), workers)
        decoded = _in_order(threads, stages.decode, map(stages.sift, loaded), workers)
        for chunk in decoded:
            for one in chunk:
                outcome = stages.finish(one, writer)
                if outcome is not None:
                    yield outcome
            done += len(chunk)
            on_progress(done, total)
        last = writer.close()
        if last is not None:
            yield last


@dataclass
class _Stages:
    """What happens to a chunk: `load` and `decode` in threads, `sift` and `finish` in the caller's."""

    default_split: str
    spec: ImageSpec
    known: Callable[[Sequence[str]], set[str]]
    copy_to: Path | None
    keep_duplicates: bool

    def __post_init__(self) -> None:
        self.seen = SeenHashes()
        self.rejected: dict[str, str] = {}  # hash -> reason: a bad file's twin is bad too, not a duplicate

    def load(self, items: list[SourceItem]) -> list[_Loaded]:
        return [self._load(item) for item in items]

    def _load(self, item: SourceItem) -> _Loaded:
        one = _Loaded(item, item.split or self.default_split)
        try:
            check_name(item)
            one.data = item.load()
            one.sha256 = content_hash(one.data)
        except ImageRejected as error:
            one.outcome = Rejection(printable(item.name), error.reason)
        except OSError as error:
            one.outcome = Rejection(printable(item.name), f"it cannot be read: {error.strerror or error}")
        return one

    def sift(self, chunk: list[_Loaded]) -> list[_Loaded]:
        """Drop the content of what need not be decoded."""
        hashes = list(dict.fromkeys(one.sha256 for one in chunk if one.outcome is None))
        stored = self.known(hashes) if hashes else set()
        for one in chunk:
            if one.outcome is not None:
                continue
            item, new = one.item, self.seen.add(one.sha256)
            if not new and not self.keep_duplicates:
                one.outcome = Duplicate(item.name, one.sha256, item.known_class, one.split)
            elif one.sha256 in stored:
                one.outcome = AlreadyKnown(item.name, one.sha256, item.known_class, one.split)
            one.data = None if one.outcome else one.data
        return chunk

    def decode(self, chunk: list[_Loaded]) -> list[_Loaded]:
        for one in chunk:
            if one.data is not None:
                try:
                    one.image = decode_image(one.data, self.spec)
                    one.copied = self._copy(one.data, one.sha256, one.image.format)
                except ImageRejected as error:
                    one.outcome = Rejection(one.item.name, error.reason)
                one.data = None
        return chunk

    def _copy(self, data: bytes | NDArray[Any], sha256: str, kind: str | None) -> FileRecord | None:
        if self.copy_to is None or not isinstance(data, bytes):
            return None
        path = self.copy_to / sha256[:2] / f"{sha256}{suffixes(kind)[0]}"
        if path.is_file() and sha256_file(path) == sha256:
            return FileRecord(path, sha256, len(data))
        return atomic_write_bytes(path, data)

    def finish(self, one: _Loaded, writer: ShardWriter) -> Outcome | None:
        if isinstance(one.outcome, Rejection) and one.sha256:
            self.rejected[one.sha256] = one.outcome.reason
        if isinstance(one.outcome, Duplicate) and one.sha256 in self.rejected:
            return Rejection(one.item.name, self.rejected[one.sha256])
        if one.image is None:
            return one.outcome
        image = note_wrong_suffix(one.image, one.item)
        return writer.add(one.item, one.sha256, image, one.split, one.copied)


def _in_order(
    threads: ThreadPoolExecutor, work: Callable[[In], Out], chunks: Iterable[In], workers: int
) -> Iterator[Out]:
    """Run work on chunks in threads and give the results in order, with few chunks under way."""
    waiting: deque[Future[Out]] = deque()
    try:
        for chunk in chunks:
            waiting.append(threads.submit(work, chunk))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _chunks(source: Source) -> Iterator[list[SourceItem]]:
    """Cut a source into pieces: few files, which may be large, fewer from afar, or many rows of arrays."""
    items = iter(source)
    for first in items:
        size = _FETCHED_A_CHUNK if first.remote else _ROWS_A_CHUNK if first.path is None else _FILES_A_CHUNK
        yield [first, *islice(items, size - 1)]
