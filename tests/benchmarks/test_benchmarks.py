"""What the benchmarks rest on: equal answers of what is compared, pools that can be made again, honest figures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from benchmarks.core_set import distance_matrix, make_features, with_matrix, with_scikit_learn
from benchmarks.memory import measured
from benchmarks.query_speed import pool_sizes
from benchmarks.subjects import Digits, varied, write_pool
from pipeline.features.k_center import k_center_greedy


def test_all_ways_to_pick_agree() -> None:
    features = make_features(300, 16, seed=0)
    ours = k_center_greedy(features[10:], 20, centers=features[:10])
    assert with_scikit_learn(features[10:], features[:10], 20) == ours.tolist()
    assert with_matrix(distance_matrix(features), 10, 20) == (ours + 10).tolist()


def test_varied_images_come_again() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 28, 28), dtype=np.uint8)
    first, again, other = (varied(images, 50, np.random.default_rng([seed, 0])) for seed in (0, 0, 1))
    assert first.shape == (50, 1, 28, 28)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_pool_of_real_size_is_unchanged(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 28, 28), dtype=np.uint8)
    digits = Digits(images, np.zeros(20, dtype=np.int64))
    np.testing.assert_array_equal(write_pool(tmp_path, digits, 20).take(np.arange(20)).numpy(), images)
    assert len(write_pool(tmp_path, digits, 50)) == 50


def test_peak_memory_sees_what_is_gone_again() -> None:
    done = measured(lambda: int(np.ones(1 << 26, dtype=np.uint8).sum()))
    assert done.result == 1 << 26
    if not torch.cuda.is_available():
        assert done.added_mb >= 60


def test_a_heavy_network_gets_a_part_of_the_pool() -> None:
    given = SimpleNamespace(pools="10000,60000", quick=False)
    assert pool_sizes(given, "lenet5") == [10_000, 60_000]
    if not torch.cuda.is_available():
        assert pool_sizes(given, "vgg8") == [5_000]
