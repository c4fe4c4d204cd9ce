"""Small changes that keep the label, one drawn for each image, from a generator that is passed in.

torchvision's v2 transforms draw from torch's global random state and give a whole batch one and the same change; here
each image gets its own, a batch at a time, and the global state is neither read nor moved. The changes are v2's
RandomAffine (drawings) and RandomCrop with padding plus RandomHorizontalFlip (photos).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.errors import DataError

Augmentation = Literal["auto", "none", "drawing", "photo"]
"""'drawing' shifts, turns, scales and slants; 'photo' shifts and flips left to right; 'auto' goes by the channels."""

_SHIFT = 0.10  # share of the side, each way
_TURN = 15.0  # degrees, each way
_SCALE = 0.15  # share, each way
_SHEAR = 0.25  # slope, each way


def to_float(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return images as floats in [0, 1]; floats pass as they are.

    Args:
        images: uint8 or float (B, C, S, S).
        dtype: The float type wanted.

    >>> to_float(torch.tensor([[[[0, 255]]]], dtype=torch.uint8)).flatten().tolist()
    [0.0, 1.0]
    """
    if images.dtype == torch.uint8:
        return images.to(dtype) / 255
    if not images.is_floating_point():
        raise DataError(f"expected uint8 or float images, got {images.dtype}; scale them to [0, 1] or to uint8 first")
    return images.to(dtype)


def augment(images: Tensor, generator: torch.Generator, kind: Augmentation = "auto") -> Tensor:
    """Change each image a little, in a way that keeps its label.

    Args:
        images: uint8 or float (B, C, S, S); floats in [0, 1].
        generator: A CPU generator, the only source of randomness: the same state gives the same images on any device.
        kind: 'auto' takes 'drawing' for one channel and 'photo' for more. Use 'drawing' for color images in which
            left and right matter, such as house numbers.

    Returns:
        float32 (B, C, S, S).
    """
    pixels = to_float(images)  # (B, C, S, S)
    kind = kind_of(kind, channels=pixels.shape[1])
    if kind == "none":
        return pixels
    side = pixels.shape[-1]
    return warp(pixels, matrices(draw_changes(len(pixels), side, generator, kind), side, kind), kind)


def kind_of(kind: Augmentation, *, channels: int) -> Augmentation:
    """Return what 'auto' stands for with this number of channels; the others as they are.

    Raises:
        DataError: There is no such augmentation.

    >>> kind_of("auto", channels=1)
    'drawing'
    """
    if kind == "auto":
        return "drawing" if channels == 1 else "photo"
    if kind not in ("none", "drawing", "photo"):
        raise DataError(f"expected augmentation auto, none, drawing or photo, got {kind!r}")
    return kind


def draw_changes(count: int, side: int, generator: torch.Generator, kind: Augmentation) -> Tensor:
    """Return the random part of the changes of `count` images of `side` pixels, float32 (5 or 3, count)."""
    if kind == "drawing":
        return torch.rand(5, count, generator=generator)
    pixels = max(1, round(side / 8))  # whole pixels: a crop, no blur
    flip = torch.rand(count, generator=generator)
    shifts = [torch.randint(-pixels, pixels + 1, (count,), generator=generator) for _ in range(2)]
    return torch.stack([flip, *(shift.float() for shift in shifts)])


def matrices(drawn: Tensor, side: int, kind: Augmentation) -> Tensor:
    """Return the affine maps, float32 (B, 2, 3), for drawn changes (5 or 3, B) of images of `side` pixels."""
    return _drawing(drawn) if kind == "drawing" else _photo(drawn, side)


def warp(pixels: Tensor, theta: Tensor, kind: Augmentation) -> Tensor:
    """Return float images (B, C, S, S), each seen through its affine map of theta (B, 2, 3)."""
    grid = functional.affine_grid(theta.to(pixels.device), list(pixels.shape), align_corners=False)  # (B, S, S, 2)
    padding = "zeros" if kind == "drawing" else "reflection"
    return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode=padding, align_corners=False)


def _each_way(uniform: Tensor, limit: float) -> Tensor:
    return (uniform * 2 - 1) * limit


def _drawing(drawn: Tensor) -> Tensor:
    angle = _each_way(drawn[0], math.radians(_TURN))
    scale = 1 + _each_way(drawn[1], _SCALE)
    slope = _each_way(drawn[2], _SHEAR)
    shift_x, shift_y = (_each_way(drawn[row], 2 * _SHIFT) for row in (3, 4))  # the grid runs from -1 to 1
    cos, sin = angle.cos() * scale, angle.sin() * scale
    first = torch.stack([cos, slope * cos - sin, shift_x], dim=1)
    second = torch.stack([sin, slope * sin + cos, shift_y], dim=1)
    return torch.stack([first, second], dim=1)  # (B, 2, 3)


def _photo(drawn: Tensor, side: int) -> Tensor:
    flip = torch.where(drawn[0] < 0.5, -1.0, 1.0)
    shift_x, shift_y = (drawn[row] * (2 / side) for row in (1, 2))
    zero, one = torch.zeros_like(flip), torch.ones_like(flip)
    first = torch.stack([flip, zero, shift_x], dim=1)
    second = torch.stack([zero, one, shift_y], dim=1)
    return torch.stack([first, second], dim=1)  # (B, 2, 3)
