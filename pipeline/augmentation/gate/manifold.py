"""Precision, recall, density and coverage of images by their nearest neighbors, and how near they lie to known ones.

Precision and recall are those of Kynkaanniemi et al. (arXiv:1904.06991), density and coverage those of Naeem et al.
(arXiv:2002.09797); the formulas are those of the authors' package prdc. Precision alone is blind to collapse, recall
and coverage see it, and none of the four sees copies of training images: the nearest distances do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_AT_A_TIME = 1024  # rows of a distance matrix
_EXACT = "donot_use_mm_for_euclid_dist"  # the fast way gives a copy a distance above 0


@dataclass(frozen=True, kw_only=True)
class Manifold:
    """How a set of images lies beside real ones.

    Attributes:
        precision: Share of the set within the k-neighborhood of a real image, in [0, 1].
        recall: Share of the real images within the k-neighborhood of one of the set, in [0, 1].
        density: Real k-neighborhoods that an image of the set lies in, over k; about 1 for real images, no upper end.
        coverage: Share of the real k-neighborhoods with an image of the set, in [0, 1].
    """

    precision: float
    recall: float
    density: float
    coverage: float


def distances(first: Tensor, second: Tensor) -> Tensor:
    """Return Euclidean distances (N, M) of features (N, D) and (M, D); equal features have distance 0 exactly."""
    return torch.cat([torch.cdist(some, second, compute_mode=_EXACT) for some in _parts(first)])


def manifold(real: Tensor, across: Tensor, other: Tensor, k: int) -> Manifold:
    """Return the four figures of a set beside real images.

    Args:
        real: Distances (N, N) among the real images.
        across: Distances (N, M) from the real images to those of the set.
        other: Distances (M, M) among the images of the set.
        k: The neighbor whose distance is the radius, without the image itself; below N and M.
    """
    of_real, of_other = radii(real, k), radii(other, k)  # (N,), (M,)
    within = across < of_real[:, None]  # (N, M)
    return Manifold(
        precision=float(within.any(dim=0).double().mean()),
        recall=float((across < of_other[None]).any(dim=1).double().mean()),
        density=float(within.sum(dim=0).double().mean() / k),
        coverage=float((across.amin(dim=1) < of_real).double().mean()),
    )


def radii(among: Tensor, k: int) -> Tensor:
    """Return the distance (N,) to the k-th nearest other image, from distances (N, N) with a zero diagonal."""
    return among.kthvalue(k + 1, dim=1).values


def nearest(images: Tensor, known: Tensor) -> Tensor:
    """Return the distance (N,) from features (N, D) to the nearest of features (M, D)."""
    return torch.cat([torch.cdist(some, known, compute_mode=_EXACT).amin(dim=1) for some in _parts(images)])


def mean_pair(among: Tensor) -> float:
    """Return the mean distance of all pairs of different images, from distances (N, N); N is 2 or more."""
    return float(among.sum() / (len(among) * (len(among) - 1)))


def _parts(features: Tensor) -> list[Tensor]:
    return [features[start : start + _AT_A_TIME] for start in range(0, max(1, len(features)), _AT_A_TIME)]
