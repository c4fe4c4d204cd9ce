"""Reads a torch data set of (image, class) into arrays, by the same steps as the one decoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipeline.data.decode import ImageSpec, fit_image
from pipeline.data.modes import normalize
from pipeline.data.values import Pixels, as_image, to_uint8
from pipeline.errors import DataError, ImageRejected

_MOST_SIDE = 64


def spec_of(dataset: Any, image_size: int | None, channels: int | None) -> ImageSpec:
    """Return what images are brought to: what is given, and the first image's size and channels otherwise.

    Raises:
        DataError: The data set is empty, or its first image cannot be used.
    """
    first = _pixels(_item(dataset, 0)[0], 0)
    size = image_size if image_size is not None else min(max(first.shape[:2]), _MOST_SIDE)
    return ImageSpec(image_size=size, channels=channels if channels is not None else (1 if first.ndim == 2 else 3))


def read_dataset(dataset: Any, spec: ImageSpec) -> tuple[Tensor, NDArray[np.int64]]:
    """Read a whole data set.

    Args:
        dataset: Has a length and gives (image, class) by position.
        spec: What the images are brought to.

    Returns:
        Images, uint8 (N, C, S, S), and class positions (N,).

    Raises:
        DataError: An item is not (image, class), or cannot be used; the text says which.
    """
    images = np.empty((len(dataset), spec.channels, spec.image_size, spec.image_size), np.uint8)
    targets = np.empty(len(dataset), np.int64)
    for place in range(len(dataset)):
        image, target = _item(dataset, place)
        images[place] = fit_image(_pixels(image, place), spec)
        targets[place] = _target(target, place)
    return torch.from_numpy(images), targets


def _item(dataset: Any, place: int) -> tuple[Any, Any]:
    if len(dataset) == 0:
        raise DataError("expected a data set with images, got an empty one")
    item = dataset[place]
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise DataError(f"expected (image, class) from the data set, got {type(item).__name__} for item {place}")
    return item[0], item[1]


def _target(target: Any, place: int) -> int:
    try:
        return int(target.__index__())
    except (AttributeError, TypeError) as error:
        raise DataError(f"expected a class position as an integer, got {target!r} for item {place}") from error


def _pixels(image: Any, place: int) -> Pixels:
    """Return one image as uint8 (H, W) or (H, W, 3)."""
    try:
        if isinstance(image, Image.Image):
            return normalize(image)[0]
        array = as_image(_rows_first(image) if isinstance(image, Tensor) else np.asarray(image))
        if array.ndim == 3 and array.shape[2] == 4:
            return normalize(Image.fromarray(_bytes(array), "RGBA"))[0]
        return np.ascontiguousarray(_bytes(array))
    except ImageRejected as error:
        raise DataError(
            f"expected an image as item {place} of the data set, got one that cannot be used: {error}"
        ) from error


def _rows_first(image: Tensor) -> NDArray[Any]:
    """Tensors of torch data sets are (C, H, W), also where H or W could pass for channels."""
    array = image.detach().cpu().numpy()
    return np.moveaxis(array, 0, 2) if array.ndim == 3 else array


def _bytes(array: NDArray[Any]) -> Pixels:
    """Floats count as [0, 1] whatever one image's brightest pixel is: a dark image is dark."""
    if array.dtype.kind == "f" and not (np.nanmin(array) >= 0 and np.nanmax(array) <= 1):
        raise ImageRejected(
            f"it has values from {float(np.nanmin(array)):g} to {float(np.nanmax(array)):g}; give floats in [0, 1], "
            "without a Normalize transform (normalization is part of the models)"
        )
    if array.dtype.kind in "iu" and array.dtype != np.uint8:
        raise ImageRejected(f"it is of type {array.dtype}; give uint8, or floats in [0, 1]")
    return to_uint8(array, 0.0, 1.0)
