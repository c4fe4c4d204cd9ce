from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.errors import StrategyError
from pipeline.features import k_center
from pipeline.features.k_center import k_center_greedy, k_center_with_reach


def slow(points: NDArray[np.float64], k: int, centers: NDArray[np.float64]) -> list[int]:
    """Every distance anew for every pick."""
    picks: list[int] = []
    known = list(centers)
    if not known:
        picks.append(int(np.argmax(((points - points.mean(axis=0)) ** 2).sum(axis=1))))
    while len(picks) < k:
        near = known + [points[p] for p in picks]
        reach = np.min([((points - center) ** 2).sum(axis=1) for center in near], axis=0)
        reach[picks] = -1
        picks.append(int(reach.argmax()))
    return picks


@pytest.mark.parametrize("kept", [1 << 30, 0], ids=["in memory", "streamed"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("count", [0, 7])
def test_picks_are_the_farthest(kept: int, dtype: type, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(k_center, "_IN_MEMORY", kept)
    generator = np.random.default_rng(0)
    points = (generator.normal(size=(300, 12)) + 40).astype(dtype)  # far from zero, where digits are lost
    centers = (generator.normal(size=(count, 12)) + 40).astype(dtype)
    expected = slow(points.astype(np.float64), 40, centers.astype(np.float64))
    assert k_center_greedy(points, 40, centers=centers).tolist() == expected


def test_reach_is_the_distance_and_falls() -> None:
    points = np.random.default_rng(1).normal(size=(200, 5)).astype(np.float32)
    picks, reach = k_center_with_reach(points, 30)
    assert np.isinf(reach[0])
    assert (np.diff(reach[1:]) <= 1e-6).all()
    apart = np.linalg.norm(points[picks[:9]] - points[picks[9]], axis=1)
    assert reach[9] == pytest.approx(apart.min(), rel=1e-4)


def test_equal_rows_are_picked_once_each_in_order() -> None:
    assert k_center_greedy(np.ones((5, 3), np.float32), 5).tolist() == [0, 1, 2, 3, 4]


def test_rows_of_a_memory_map(tmp_path: object) -> None:
    points = np.random.default_rng(2).normal(size=(500, 8)).astype(np.float16)
    mapped = np.memmap(f"{tmp_path}/rows", dtype=np.float16, mode="w+", shape=points.shape)
    mapped[:] = points
    assert k_center_greedy(mapped, 20).tolist() == k_center_greedy(points, 20).tolist()
    assert np.array_equal(mapped, points)


def test_another_choice_of_the_next() -> None:
    points = np.arange(10, dtype=np.float32)[:, None]
    found = k_center_greedy(points, 3, choose=lambda squared, turn: int((squared >= 0).nonzero()[turn]))
    assert found.tolist() == [0, 2, 4]


def test_out_of_range_is_a_clear_error() -> None:
    with pytest.raises(StrategyError, match="expected k from 0 to the 3 rows, got 4"):
        k_center_greedy(np.ones((3, 2), np.float32), 4)
    assert k_center_greedy(np.ones((3, 2), np.float32), 0).tolist() == []
