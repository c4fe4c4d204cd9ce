"""DiffAugment: changes of real and generated images before the discriminator, through which gradients flow.

Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", arXiv:2006.10738. A discriminator that sees
few real images learns them by heart; shifted, part-blanked and recolored ones it cannot. Each image gets a change of
its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_SHIFT = 1 / 8  # share of the side, each way
_HOLE = 1 / 2  # share of the side


def diff_augment(images: Tensor, changes: Sequence[str], generator: torch.Generator) -> Tensor:
    """Change each image in the same ways, differentiably.

    Args:
        images: Float (B, C, S, S), pixels in [-1, 1].
        changes: Of 'color' (brightness, saturation, contrast), 'translation' (an eighth of the side each way, edges
            repeated) and 'cutout' (half of the side, mid-gray).
        generator: On the CPU; the same state gives the same changes on any device.

    Returns:
        (B, C, S, S).
    """
    for change in changes:
        images = {"color": _color, "translation": _translation, "cutout": _cutout}[change](images, generator)
    return images


def _color(images: Tensor, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(3, len(images), 1, 1, 1, generator=generator).to(images)
    images = images + (drawn[0] - 0.5)
    gray = images.mean(dim=1, keepdim=True)  # (B, 1, S, S)
    images = gray + (images - gray) * (drawn[1] * 2)
    middle = images.mean(dim=(1, 2, 3), keepdim=True)  # (B, 1, 1, 1)
    return middle + (images - middle) * (drawn[2] + 0.5)


def _translation(images: Tensor, generator: torch.Generator) -> Tensor:
    count, channels, side, _ = images.shape
    most = max(1, round(side * _SHIFT))
    shifts = torch.randint(-most, most + 1, (2, count, 1), generator=generator)
    places = (torch.arange(side)[None, None] + shifts).clamp(0, side - 1).to(images.device)  # (2, B, S)
    rows = places[0][:, None, :, None].expand(count, channels, side, side)
    columns = places[1][:, None, None, :].expand(count, channels, side, side)
    return images.gather(2, rows).gather(3, columns)


def _cutout(images: Tensor, generator: torch.Generator) -> Tensor:
    count, _, side, _ = images.shape
    hole = round(side * _HOLE)
    starts = torch.randint(-(hole // 2), side - hole + hole // 2 + 1, (2, count, 1), generator=generator)
    places = torch.arange(side)[None, None]
    inside = ((places >= starts) & (places < starts + hole)).to(images.device)  # (2, B, S)
    keep = ~(inside[0][:, :, None] & inside[1][:, None, :])  # (B, S, S)
    return images * keep[:, None].to(images.dtype)
