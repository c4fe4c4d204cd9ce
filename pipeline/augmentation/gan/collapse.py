"""Sees a training that has failed: samples that are all alike, or a discriminator that has won for good."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.training.labeled import LabeledImages

_REAL_PER_CLASS = 64
_WON = 1e-3  # mean adversarial loss of the discriminator, for losses whose floor is 0


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look at a training saw.

    Attributes:
        step: Generator steps done.
        discriminator_loss: Mean adversarial loss since the last look.
        generator_loss: The same of the generator.
        variety: A class each: mean distance of its samples to each other, as a share of that of its real images; None
            for a class with fewer than 2 real images.
    """

    step: int
    discriminator_loss: float
    generator_loss: float
    variety: tuple[float | None, ...]


def pair_distance(images: Tensor) -> float:
    """Return the mean distance of different images to each other: root mean square over the pixels.

    Args:
        images: uint8 or float (N, C, S, S), N of 2 or more.

    >>> pair_distance(torch.tensor([0.0, 3.0, 3.0]).view(3, 1, 1, 1))
    2.0
    """
    flat = images.float().flatten(1)
    distances = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist") / flat.shape[1] ** 0.5
    return float(distances.sum() / (len(flat) * (len(flat) - 1)))


def real_distances(labeled: LabeledImages, trusted: LabeledImages | None, classes: int) -> list[float | None]:
    """Return each class's mean distance of real images to each other, trusted ones where labels are too few.

    Returns:
        K of them; None for a class with fewer than 2 images.
    """
    distances: list[float | None] = []
    for place in range(classes):
        images = labeled.images[labeled.targets == place]
        if len(images) < 2 and trusted:
            images = torch.cat([images, trusted.images[trusted.targets == place]])
        distances.append(pair_distance(images[:_REAL_PER_CLASS]) if len(images) > 1 else None)
    return distances


def why_collapsed(looks: list[Look], *, share: float, times: int, floor: bool) -> str | None:
    """Return why a training has collapsed, one sentence for people; None when it has not.

    Args:
        looks: So far, those after the classes are in.
        share: Least variety.
        times: Looks in a row that must agree.
        floor: Whether the loss has the floor 0.
    """
    last = looks[-times:]
    if len(last) < times:
        return None
    columns = zip(*(look.variety for look in last), strict=True)
    alike = [place for place, seen in enumerate(columns) if all(one is not None and one < share for one in seen)]
    if alike:
        named = ", ".join(f"{place} ({last[-1].variety[place]:.2f})" for place in alike)
        return (
            f"the samples of these classes were alike in {times} looks in a row, with less than {share:g} of the "
            f"distance that real images have to each other: {named}"
        )
    if floor and all(look.discriminator_loss < _WON for look in last):
        return f"the discriminator told real from generated without a doubt in {times} looks in a row"
    return None
