"""Tells generated images that are copies of training images, which a small data set invites.

On tens of images a GAN does copy (Feng et al., arXiv:2202.11765); dropping what lies nearer to a training image than a
threshold is memorization rejection (Bai et al., arXiv:2210.12231).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.data.transforms import to_float
from pipeline.training.labeled import LabeledImages

_QUANTILE = 0.01
_ROWS = 512


@dataclass(frozen=True)
class Copies:
    """Labeled training images by class, and how near is too near.

    Attributes:
        images: A class each, float (N_k, D) in [0, 1].
        least: A class each, the least root mean square distance over pixels.
    """

    images: tuple[Tensor, ...]
    least: tuple[float, ...]

    @classmethod
    def of(cls, labeled: LabeledImages, classes: int, least_distance: float | None = None) -> Copies:
        """Take the images of each class; without a distance, the 1 % quantile of real nearest-neighbor distances."""
        flat = to_float(labeled.images).flatten(1)  # (N, D)
        images = tuple(flat[labeled.targets == place] for place in range(classes))
        least = tuple(_usual(some) if least_distance is None else least_distance for some in images)
        return cls(images, least)

    def among(self, images: Tensor, target: int) -> Tensor:
        """Return which of uint8 images (N, C, S, S) are copies, bool (N,)."""
        known = self.images[target]
        if len(known) == 0:
            return torch.zeros(len(images), dtype=torch.bool)
        flat = to_float(images).flatten(1)
        return nearest(flat, known) <= self.least[target]


def nearest(images: Tensor, known: Tensor) -> Tensor:
    """Return each image's (N, D) distance to the nearest known one (M, D): root mean square over pixels, (N,).

    >>> nearest(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 3.0], [1.0, 1.0]])).tolist()
    [1.0]
    """
    parts = [
        torch.cdist(part, known, compute_mode="donot_use_mm_for_euclid_dist").amin(dim=1)  # exact for copies: 0
        for part in torch.split(images, _ROWS)
    ]
    return torch.cat(parts) / math.sqrt(images.shape[1])


def _usual(images: Tensor) -> float:
    """Return the 1 % quantile of the distances to another image; 0, which only exact copies have, below 2 images."""
    if len(images) < 2:
        return 0.0
    distances = torch.cdist(images, images).fill_diagonal_(float("inf")).amin(dim=1)
    return float(distances.quantile(_QUANTILE)) / math.sqrt(images.shape[1])
