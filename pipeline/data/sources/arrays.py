"""Images that are rows of arrays: mapped, never loaded whole, and brought to eight bits by the range of all rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.sources.base import SourceItem, clean_class, natural_key
from pipeline.data.sources.npy import open_npy, open_npz
from pipeline.data.values import as_image, to_uint8, value_range
from pipeline.errors import DataError, ImageRejected

_NPZ_SPLITS = (
    ("x_train", "y_train", "pool"),
    ("x_val", "y_val", "validation"),
    ("x_valid", "y_valid", "validation"),
    ("x_test", "y_test", "test"),
)
_NPZ_LABELS = (("images", "labels"), ("x", "y"), ("data", "labels"), ("arr_0", "arr_1"))


@dataclass(frozen=True)
class ArrayPart:
    """One array of images, with what is known about them.

    Attributes:
        name: How its rows are called: `name[17]`.
        images: (N, H, W), (N, H, W, C), (N, C, H, W) or flat rows (N, P); usually a memory map.
        labels: Positions (N,) in the source's classes, or None.
        known_class: One class for all rows, where there are no labels.
        split: `pool`, `validation`, `test` or None.
        transposed: Rows and columns are exchanged, as EMNIST ships them.
    """

    name: str
    images: NDArray[Any]
    labels: NDArray[np.int64] | None = None
    known_class: str | None = None
    split: str | None = None
    transposed: bool = False

    def __post_init__(self) -> None:
        images = self.images
        if images.ndim not in (2, 3, 4) or images.dtype.kind not in "buif":
            raise DataError(
                f"expected {self.name} to hold images as numbers of shape (N, H, W), (N, H, W, C) or (N, 784), "
                f"got {images.dtype} of shape {images.shape}"
            )
        if self.labels is not None and len(self.labels) != len(images):
            raise DataError(f"expected {len(images)} labels in {self.name}, one an image, got {len(self.labels)}")
        if len(images):
            try:
                as_image(images[0])
            except ImageRejected as error:
                raise DataError(f"the images of {self.name} cannot be used: {error.reason}") from error

    def load(self, row: int) -> NDArray[np.uint8]:
        """Return one image as uint8 (H, W) or (H, W, C)."""
        image = as_image(np.asarray(self.images[row]))
        if self.transposed:
            image = image.swapaxes(0, 1)
        if image.dtype == np.uint8:
            return image
        return to_uint8(image, *self._range)

    @cached_property
    def _range(self) -> tuple[float, float]:
        """Of all rows: one dark image must not be scaled unlike its neighbors."""
        return (0.0, 1.0) if self.images.dtype.kind == "b" else value_range(self.images)


class ArraySource:
    """Images in one or more arrays.

    Args:
        parts: The arrays.
        classes: The names that label positions stand for; or the `known_class` of the parts.
        title: What it is called, for people.
    """

    def __init__(self, parts: Sequence[ArrayPart], classes: tuple[str, ...], title: str) -> None:
        self._parts = tuple(parts)
        self.classes = classes
        for part in self._parts:
            _check_labels(part, len(classes))
        if not len(self):
            raise DataError(f"expected images in {title}, got none")
        note = f", {len(classes)} classes" if classes else ""
        self.description = f"{len(self):,} images in {title}{note}"

    def __len__(self) -> int:
        return sum(len(part.images) for part in self._parts)

    def __iter__(self) -> Iterator[SourceItem]:
        for part in self._parts:
            class_of = self._class_of(part)
            for row in range(len(part.images)):
                yield SourceItem(f"{part.name}[{row}]", None, partial(part.load, row), class_of(row), part.split)

    def _class_of(self, part: ArrayPart) -> Callable[[int], str | None]:
        labels = part.labels
        if labels is None:
            return lambda row: part.known_class
        return lambda row: self.classes[labels[row]]


def _check_labels(part: ArrayPart, classes: int) -> None:
    labels = part.labels
    if labels is not None and len(labels) and not (labels.min() >= 0 and labels.max() < classes):
        raise DataError(f"expected labels from 0 to {classes - 1} in {part.name}, got {labels.min()} to {labels.max()}")


def npy_source(path: Path) -> ArraySource:
    """Open one `.npy` file: images without classes."""
    return ArraySource([ArrayPart(path.name, open_npy(path))], (), path.name)


def class_arrays_source(folder: Path) -> ArraySource:
    """Open a folder of `<class>.npy`, QuickDraw's form: each file is a class."""
    paths = sorted((path for path in folder.glob("*.npy") if path.name[0] != "."), key=lambda p: natural_key(p.name))
    parts = [ArrayPart(path.name, open_npy(path), known_class=clean_class(path.stem, str(folder))) for path in paths]
    return ArraySource(parts, tuple(str(part.known_class) for part in parts), folder.name)


def npz_source(path: Path) -> ArraySource:
    """Open one `.npz` file: `x_train`, `y_train`, `x_test`, `y_test`, or `images` and `labels`, or one array alone.

    Labels are integers or names, (N,) or (N, 1).

    Raises:
        DataError: It has none of these keys, or is damaged.
    """
    members = open_npz(path)
    found = _npz_arrays(list(members))
    if not found:
        raise DataError(
            f"expected the arrays x_train, y_train, x_test, y_test or images, labels in {path.name}, "
            f"got {', '.join(members) or 'none'}; rename them"
        )
    raw = {x: members[y]() for x, y, _ in found if y in members}
    names = {x: _label_names(labels, f"{path.name}:{x}") for x, labels in raw.items()}
    classes = tuple(sorted({str(name) for values in names.values() for name in np.unique(values)}, key=natural_key))
    position = {name: index for index, name in enumerate(classes)}
    parts = [
        ArrayPart(f"{path.name}:{images}", members[images](), _positions(names.get(images), position), split=split)
        for images, _, split in found
    ]
    return ArraySource(parts, classes, path.name)


def _npz_arrays(members: list[str]) -> list[tuple[str, str, str | None]]:
    """Return the keys of images, of their labels, and the split that they are for."""
    found: list[tuple[str, str, str | None]] = [*(entry for entry in _NPZ_SPLITS if entry[0] in members)]
    if not found:
        found.extend([(images, labels, None) for images, labels in _NPZ_LABELS if images in members][:1])
    if not found and len(members) == 1:
        found = [(members[0], "", None)]
    return found


def _label_names(labels: NDArray[Any], where: str) -> NDArray[Any]:
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iuUS":
        raise DataError(
            f"expected one integer or name an image as labels of {where}, got {labels.dtype} of shape {labels.shape}"
        )
    return labels.astype(str)


def _positions(names: NDArray[Any] | None, position: dict[str, int]) -> NDArray[np.int64] | None:
    if names is None:
        return None
    unique, inverse = np.unique(names, return_inverse=True)
    return np.array([position[str(name)] for name in unique], np.int64)[inverse]
