"""How far a copy may be from its original and still be of its class: half the way to the nearest image of another.

A push that is short beside the distances between classes cannot have made an image of another class; a long one can
(invariance-based examples, Tramer et al., arXiv:2002.04599). So copies are rejected whose push is longer than half of a
low quantile of the distances from a labeled image to the nearest one with another class.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.attacks.border import Norm
from pipeline.data.pool import ImagePool
from pipeline.data.transforms import to_float
from pipeline.randomness import per_sample_uniform

_PROBES = 1000  # images whose nearest is looked for; a quantile needs no more
_BYTES = 1 << 27  # of pixels at a time


def longest_push(images: ImagePool, targets: NDArray[np.int64], *, quantile: float, norm: Norm, seed: int) -> float:
    """Return half of a quantile of the distances between labeled images and their nearest of another class.

    Args:
        images: The labeled images (N); where there are many, those that `seed` draws are measured against all.
        targets: int64 (N,), their classes, in the pool's order.
        quantile: In [0, 1].
        norm: 'l2' or 'linf', as the pushes are measured.
        seed: Of the draw, by sample id.

    Returns:
        In pixels of [0, 1]; infinity while there are fewer than two classes: then nothing is known.

    >>> pool = ImagePool.from_tensor(torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1, 1))
    >>> round(longest_push(pool, np.array([0, 0, 1]), quantile=0.0, norm="l2", seed=0), 6)
    0.4
    """
    if len(np.unique(targets)) < 2:
        return math.inf
    size = max(1, _BYTES // (4 * math.prod(images.image_shape)))
    drawn = np.argsort(per_sample_uniform(seed, images.ids, "copies"), kind="stable")[: min(_PROBES, size)]
    probes = to_float(images.take(images.ids[drawn])).flatten(1)  # (P, D)
    classes, nearest = torch.from_numpy(targets[drawn]), torch.full((len(drawn),), torch.inf)
    for start in range(0, len(images), min(_PROBES, size)):
        part = slice(start, start + min(_PROBES, size))
        others = to_float(images.take(images.ids[part])).flatten(1)  # (M, D)
        distance = torch.cdist(probes, others, p=2.0 if norm == "l2" else math.inf)  # (P, M)
        same = classes[:, None] == torch.from_numpy(targets[part])[None]
        nearest = torch.minimum(nearest, distance.masked_fill(same, torch.inf).amin(dim=1))
    return float(torch.quantile(nearest.double(), quantile)) / 2


def within(lengths: Tensor, limit: float) -> Tensor:
    """Return which pushes (k,) were made at all and are no longer than a limit."""
    return lengths.isfinite() & (lengths <= limit)
