"""Changes that a discriminator sees, on real and made images alike, through which gradients pass.

Zhao et al., "Differentiable augmentation for data-efficient GAN training", NeurIPS 2020, arXiv:2006.10738: with few
images a discriminator learns them by heart; changing all that it sees delays this, and does not leak into what is made.
Strengths are the paper's: brightness 0.5, saturation 0 to 2, contrast 0.5 to 1.5, shifts of 1/8, cutouts of 1/2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Change = Literal["color", "translation", "cutout"]

_SHIFT = 1 / 8  # share of the side, each way
_CUTOUT = 1 / 2  # share of the side


def diff_augment(images: Tensor, changes: Sequence[Change], generator: torch.Generator) -> Tensor:
    """Change each image on its own, differentiably.

    Args:
        images: float (B, C, S, S) in [-1, 1].
        changes: Of 'color' (brightness, saturation, contrast), 'translation' (edges are repeated) and 'cutout'
            (mid-gray).
        generator: A CPU generator, the only source of randomness; the same state gives the same on any device.

    Returns:
        float (B, C, S, S).
    """
    for change in changes:
        images = {"color": _color, "translation": _shift, "cutout": _cut_out}[change](images, generator)
    return images


def _color(images: Tensor, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(3, len(images), 1, 1, 1, generator=generator).to(images)  # (3, B, 1, 1, 1)
    images = images + (drawn[0] - 0.5)
    gray = images.mean(dim=1, keepdim=True)  # (B, 1, S, S)
    images = gray + (images - gray) * (2 * drawn[1])
    mean = images.mean(dim=(1, 2, 3), keepdim=True)  # (B, 1, 1, 1)
    return mean + (images - mean) * (drawn[2] + 0.5)


def _shift(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift by whole pixels, both ways, each image its own way."""
    count, channels, height, width = images.shape
    rows = _moved(height, count, generator)[:, None, :, None].expand(-1, channels, -1, width)  # (B, C, H, W)
    columns = _moved(width, count, generator)[:, None, None].expand(-1, channels, height, -1)  # (B, C, H, W)
    return images.gather(2, rows.to(images.device)).gather(3, columns.to(images.device))


def _moved(side: int, count: int, generator: torch.Generator) -> Tensor:
    """Return where each row (or column) comes from, int64 (B, side)."""
    most = max(1, round(side * _SHIFT))
    shift = torch.randint(-most, most + 1, (count, 1), generator=generator)
    return (torch.arange(side)[None] + shift).clamp(0, side - 1)


def _cut_out(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blank a square; its middle may lie anywhere, so that a part of it may lie outside."""
    height, width = images.shape[2:]
    rows, columns = _cut(height, len(images), generator), _cut(width, len(images), generator)
    gone = rows[:, None, :, None] & columns[:, None, None, :]  # (B, 1, H, W)
    return images.masked_fill(gone.to(images.device), 0.0)


def _cut(side: int, count: int, generator: torch.Generator) -> Tensor:
    """Return which rows (or columns) are cut, bool (B, side)."""
    length = round(side * _CUTOUT)
    start = torch.randint(0, side + 1, (count, 1), generator=generator) - length // 2
    places = torch.arange(side)[None]
    return (places >= start) & (places < start + length)
