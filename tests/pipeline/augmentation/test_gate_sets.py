"""FID and KID by torchmetrics on features of our own, and the domain AUC."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.augmentation.gate.sets import domain_auc, frechet_distance, kernel_distance


def normal(count: int, size: int = 6, shift: float = 0.0, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, generator=generator, dtype=torch.float64) + shift


def test_frechet_distance_is_that_of_two_gaussians() -> None:
    from scipy.linalg import sqrtm

    first, second = normal(200), normal(150, shift=0.5, seed=1) * 1.5
    one, other = np.cov(first.numpy().T), np.cov(second.numpy().T)
    means = float((first.mean(dim=0) - second.mean(dim=0)).square().sum())
    wanted = means + np.trace(one + other - 2 * np.real(sqrtm(one @ other)))
    assert frechet_distance(first, second) == pytest.approx(wanted, rel=1e-6)
    assert frechet_distance(first, first) == pytest.approx(0.0, abs=1e-6)


def test_frechet_distance_of_many_features_along_the_main_directions() -> None:
    """300 features of 40 images: 64 directions at most, and still 0 for the same and more for others."""
    first = normal(40, 300)
    assert frechet_distance(first, first) == pytest.approx(0.0, abs=1e-3)
    assert frechet_distance(first, normal(40, 300, shift=3.0, seed=1)) > 1


def test_kernel_distance() -> None:
    real = normal(100, shift=2.0)
    alike, apart = kernel_distance(real, normal(100, shift=2.0, seed=1), 0), kernel_distance(real, normal(100), 0)
    assert abs(alike) < 0.02 < apart
    assert kernel_distance(real * 1000, normal(100, shift=2.0, seed=1) * 1000, 0) == pytest.approx(alike)  # no scale


def test_kernel_distance_draws_by_its_seed_alone() -> None:
    real, other = normal(40), normal(40, seed=1)
    before = torch.get_rng_state()
    first = kernel_distance(real, other, 3)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(9)
    assert kernel_distance(real, other, 3) == first


def test_domain_auc() -> None:
    real = normal(60)
    assert domain_auc(real, normal(40, seed=1), 0) < 0.7
    assert domain_auc(real, normal(40, shift=3.0, seed=1), 0) > 0.95
