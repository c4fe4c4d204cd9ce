from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.statistics.projection import map_sample, queries_map

GROUPS = np.concatenate([np.random.default_rng(k).normal(6 * k, 1, (20, 12)) for k in range(3)])


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_groups_stay_together_and_a_seed_gives_one_map(method: str) -> None:
    found = queries_map(GROUPS, method=method, seed=1)
    assert found.shape == (60, 2)
    assert np.array_equal(found, queries_map(GROUPS, method=method, seed=1))
    centers = found.reshape(3, 20, 2).mean(axis=1)
    nearest = np.linalg.norm(found[:, None] - centers, axis=2).argmin(axis=1)
    assert (nearest == np.repeat([0, 1, 2], 20)).mean() > 0.95


@pytest.mark.parametrize("shape", [(1, 4), (2, 3), (4, 1), (6, 1), (7, 2)])
def test_few_images_and_few_features_have_a_map_too(shape: tuple[int, int]) -> None:
    found = queries_map(np.random.default_rng(0).normal(size=shape))
    assert found.shape == (shape[0], 2)
    assert np.isfinite(found).all()


def test_what_is_no_table_is_refused() -> None:
    for bad in (np.zeros(3), np.zeros((0, 4)), np.full((3, 2), np.nan)):
        with pytest.raises(DataError, match="expected finite features"):
            queries_map(bad)
    with pytest.raises(DataError, match="'tsne' or 'pca'"):
        queries_map(GROUPS, method="umap")


def test_everything_queried_is_on_the_map() -> None:
    found = map_sample(range(1000), range(40, 60), size=100, seed=2)
    assert len(found) == 100
    assert set(range(40, 60)) <= set(found)
    assert found == sorted(set(found)) == map_sample(range(999, -1, -1), range(59, 39, -1), size=100, seed=2)
    assert map_sample(range(10), range(5), size=3) == [0, 1, 2, 3, 4]
