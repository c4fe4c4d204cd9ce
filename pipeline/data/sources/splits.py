"""Gives a labeled source without a test split a fixed one, so that a simulation has something to be measured on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.data.sources.base import Source, SourceItem
from pipeline.errors import DataError


class SplitSource:
    """A source whose items got a split: `pool` or `test`. Made by `with_test_split`."""

    def __init__(self, source: Source, in_test: NDArray[np.bool_]) -> None:
        self._source = source
        self._in_test = in_test
        self.classes = source.classes
        self.description = f"{source.description}, {int(in_test.sum()):,} drawn for test"

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[SourceItem]:
        for item, test in zip(self._source, self._in_test, strict=True):
            yield replace(item, split="test") if test else replace(item, split=item.split or "pool")


def with_test_split(source: Source, fraction: float, seed: int) -> Source:
    """Draw a share of each class for test, by the items' names; no image is read.

    A source that has a test split keeps it and is returned as it is. Items of a validation split, and items without a
    known class, are never drawn. A class gives at least one item and keeps at least one, if it has two. The same seed
    draws the same names, in whatever order they come, and a few new items change the draw little.

    Args:
        source: Any source with known classes.
        fraction: The share of each class, in (0, 1).
        seed: Any integer.

    Raises:
        DataError: The share is no share, or no class is known.
    """
    if not 0 < fraction < 1:
        raise DataError(f"expected a test fraction between 0 and 1, got {fraction}")
    drawable = np.full(len(source), -1, np.int32)  # the class's position, or -1
    order = np.zeros(len(source), np.uint64)
    position = {name: index for index, name in enumerate(source.classes)}
    for index, item in enumerate(source):
        if item.split == "test":
            return source
        if item.known_class is not None and item.split != "validation":
            drawable[index] = position[item.known_class]
            order[index] = _draw(seed, item.name)
    if not (drawable >= 0).any():
        raise DataError(f"expected images with known classes to draw a test split from, got {source.description}")
    return SplitSource(source, _stratified(drawable, order, fraction))


def _draw(seed: int, name: str) -> int:
    text = f"test split {seed} {name}".encode(errors="surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def _stratified(classes: NDArray[np.int32], order: NDArray[np.uint64], fraction: float) -> NDArray[np.bool_]:
    chosen = np.zeros(len(classes), np.bool_)
    for position in np.unique(classes[classes >= 0]):
        members = np.flatnonzero(classes == position)
        count = min(max(1, round(len(members) * fraction)), len(members) - 1)
        chosen[members[np.argsort(order[members], kind="stable")[:count]]] = True
    return chosen
