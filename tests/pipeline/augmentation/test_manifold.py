"""Precision, recall, density and coverage against prdc's formulas, by hand and by brute force; distances to known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.augmentation.gate.manifold import Manifold, distances, manifold, mean_pair, nearest


def measured(real: Tensor, other: Tensor, k: int) -> Manifold:
    return manifold(distances(real, real), distances(real, other), distances(other, other), k)


def test_hand_worked() -> None:
    """Radii of 0, 1, 3 are 1, 1, 2; those of 0.5, 10, 10.5 are 9.5, 0.5, 0.5."""
    real, other = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([[0.5], [10.0], [10.5]])
    found = measured(real, other, 1)
    assert found.precision == pytest.approx(1 / 3)  # 0.5 alone lies in a real neighborhood
    assert found.recall == 1.0  # 0.5's neighborhood reaches all
    assert found.density == pytest.approx(2 / 3)  # 0.5 lies in two, of three images and k = 1
    assert found.coverage == pytest.approx(2 / 3)  # 3 has nothing within 2


def by_brute_force(real: NDArray[np.float64], other: NDArray[np.float64], k: int) -> Manifold:
    def apart(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float(np.sqrt(((a - b) ** 2).sum()))

    def radius(place: int, among: NDArray[np.float64]) -> float:
        return sorted(apart(among[place], one) for at, one in enumerate(among) if at != place)[k - 1]

    of_real = [radius(place, real) for place in range(len(real))]
    of_other = [radius(place, other) for place in range(len(other))]
    inside = [[apart(a, b) < r for a, r in zip(real, of_real, strict=True)] for b in other]  # (M, N)
    reached = [any(apart(a, b) < r for b, r in zip(other, of_other, strict=True)) for a in real]
    return Manifold(
        precision=float(np.mean([any(row) for row in inside])),
        recall=float(np.mean(reached)),
        density=float(np.mean([sum(row) for row in inside]) / k),
        coverage=float(np.mean([min(apart(a, b) for b in other) < r for a, r in zip(real, of_real, strict=True)])),
    )


@pytest.mark.parametrize(("k", "shift"), [(1, 0.0), (3, 0.5), (5, 2.0)])
def test_brute_force(k: int, shift: float) -> None:
    generator = np.random.default_rng(k)
    real, other = generator.normal(size=(31, 4)), generator.normal(size=(23, 4)) + shift
    found, wanted = measured(torch.from_numpy(real), torch.from_numpy(other), k), by_brute_force(real, other, k)
    for name in ("precision", "recall", "density", "coverage"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), abs=1e-12)


def test_copies_have_no_distance() -> None:
    """The fast way by matrix products would give them some, and copies would pass as new."""
    known = torch.randn(200, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 1000
    assert (nearest(known[:50], known) == 0).all()
    assert (distances(known, known).diagonal() == 0).all()


def test_more_than_a_part_at_a_time() -> None:
    many, few = torch.arange(2500.0, dtype=torch.float64)[:, None], torch.tensor([[0.0], [3000.0]]).double()
    assert distances(many, few).shape == (2500, 2)
    assert torch.equal(nearest(many, few), torch.minimum(many[:, 0], 3000 - many[:, 0]))


def test_mean_pair() -> None:
    assert mean_pair(distances(*[torch.tensor([[0.0], [1.0], [3.0]])] * 2)) == pytest.approx(2.0)
