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
    if kind == "auto":
        kind = "drawing" if pixels.shape[1] == 1 else "photo"
    if kind == "none":
        return pixels
    if kind not in ("drawing", "photo"):
        raise DataError(f"expected augmentation auto, none, drawing or photo, got {kind!r}")
    theta = (_drawing if kind == "drawing" else _photo)(len(pixels), pixels.shape[-1], generator)  # (B, 2, 3)
    grid = functional.affine_grid(theta.to(pixels.device), list(pixels.shape), align_corners=False)  # (B, S, S, 2)
    padding = "zeros" if kind == "drawing" else "reflection"
    return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode=padding, align_corners=False)


def _uniform(count: int, limit: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=generator) * 2 - 1) * limit


def _drawing(count: int, side: int, generator: torch.Generator) -> Tensor:
    angle = _uniform(count, math.radians(_TURN), generator)
    scale = 1 + _uniform(count, _SCALE, generator)
    slope = _uniform(count, _SHEAR, generator)
    shift_x, shift_y = (_uniform(count, 2 * _SHIFT, generator) for _ in range(2))  # the grid runs from -1 to 1
    cos, sin = angle.cos() * scale, angle.sin() * scale
    first = torch.stack([cos, slope * cos - sin, shift_x], dim=1)
    second = torch.stack([sin, slope * sin + cos, shift_y], dim=1)
    return torch.stack([first, second], dim=1)  # (B, 2, 3)


def _photo(count: int, side: int, generator: torch.Generator) -> Tensor:
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    pixels = max(1, round(side / 8))  # whole pixels: a crop, no blur
    shift_x, shift_y = (
        torch.randint(-pixels, pixels + 1, (count,), generator=generator) * (2 / side) for _ in range(2)
    )
    zero, one = torch.zeros(count), torch.ones(count)
    first = torch.stack([flip, zero, shift_x], dim=1)
    second = torch.stack([zero, one, shift_y], dim=1)
    return torch.stack([first, second], dim=1)  # (B, 2, 3)
