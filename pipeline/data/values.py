"""Brings pixel values of any type to eight bits in one place, so that files and arrays of the same image agree."""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ImageRejected

Pixels = NDArray[np.uint8]


def value_range(array: NDArray[Any], chunk: int = 4096) -> tuple[float, float]:
    """Return the least and greatest finite value of an array, read in pieces along its first axis.

    Raises:
        ImageRejected: The values are no real numbers.
    """
    low, high = np.inf, -np.inf
    for start in range(0, len(array), chunk):
        part = np.asarray(array[start : start + chunk])
        if part.dtype.kind not in "buif":
            raise ImageRejected(f"expected numbers as pixel values, got type {part.dtype}")
        if part.dtype.kind == "f":
            part = part[np.isfinite(part)]
        if part.size:
            low, high = min(low, float(part.min())), max(high, float(part.max()))
    return (low, high) if low <= high else (0.0, 0.0)


def to_uint8(array: NDArray[Any], low: float, high: float) -> Pixels:
    """Scale values to 0..255 by what their type and range say.

    The range may be of a whole data set, so that a dark image is not taken for one of another scale.

    * bool: 0 and 255; uint8, and other types with values within 0..255: kept (rounded);
    * floats within 0..1: times 255;
    * anything within 0..65535 (16-bit): divided by 257, so that 65535 becomes 255;
    * anything else: `low` becomes 0 and `high` becomes 255.

    Args:
        array: Numbers or booleans of any shape.
        low: The least value that occurs.
        high: The greatest value that occurs.

    Raises:
        ImageRejected: A value is NaN or infinite.

    >>> to_uint8(np.array([0, 32896, 65535], np.uint16), 0, 65535).tolist()
    [0, 128, 255]
    """
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return np.asarray(array, np.uint8)
    if kind == "b":
        return np.where(array, 255, 0).astype(np.uint8)
    if kind == "f" and not np.isfinite(array).all():
        raise ImageRejected("it holds values that are not numbers (NaN) or infinite")
    offset, scale = _offset_and_scale(kind, low, high)
    scaled = (array.astype(np.float64) - offset) * scale
    result: Pixels = np.rint(scaled.clip(0, 255)).astype(np.uint8)
    return result


def _offset_and_scale(kind: str, low: float, high: float) -> tuple[float, float]:
    if low >= 0 and kind == "f" and high <= 1:
        return 0.0, 255.0
    if low >= 0 and high <= 255:
        return 0.0, 1.0
    if low >= 0 and high <= 65535:
        return 0.0, 1 / 257
    return low, 255.0 / (high - low) if high > low else 0.0


def as_image(array: NDArray[Any]) -> NDArray[Any]:
    """Bring one image's array to (H, W) or (H, W, C) with C of 3 or 4.

    Taken are (H, W), (H, W, C), (C, H, W) and flat rows of square images: (784,) is 28 x 28, and (3072,) is three
    planes of 32 x 32, as in CIFAR-10.

    Raises:
        ImageRejected: The shape is none of these.

    >>> as_image(np.zeros(784)).shape, as_image(np.zeros((3, 5, 9))).shape
    ((28, 28), (5, 9, 3))
    """
    shape = array.shape
    if array.size == 0:
        raise ImageRejected(f"the array is empty: its shape is {shape}")
    if array.ndim == 1:
        array = _unflatten(array)
    if array.ndim == 3:
        if array.shape[2] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
            array = np.moveaxis(array, 0, 2)  # (C, H, W) -> (H, W, C)
        if array.shape[2] == 1:
            array = array[:, :, 0]
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4)):
        return array
    raise ImageRejected(f"expected an image of shape (H, W), (H, W, C) or (C, H, W), got {shape}")


def _unflatten(array: NDArray[Any]) -> NDArray[Any]:
    side = isqrt(array.size)
    if side * side == array.size:
        return array.reshape(side, side)
    side = isqrt(array.size // 3)
    if 3 * side * side == array.size:
        return array.reshape(3, side, side)
    raise ImageRejected(f"expected a flat row of a square image, such as 784 = 28 x 28, got {array.size} values")
