from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from pipeline.data.pool import ImagePool
from pipeline.errors import StrategyError
from pipeline.features.clusters import cluster
from pipeline.features.neighbors import NeighborIndex, density, nearest_labeled
from pipeline.features.store import FeatureStore
from pipeline.strategies.base import QueryContext
from tests.pipeline.toys import stripes, trained


def test_neighbors_equal_plain_distances() -> None:
    generator = np.random.default_rng(0)
    rows, asked = generator.normal(size=(400, 6)).astype(np.float16), generator.normal(size=(9, 6)).astype(np.float32)
    found, distance = NeighborIndex(rows).search(asked, 5)
    plain = np.linalg.norm(rows[None].astype(np.float64) - asked[:, None], axis=2)
    assert np.array_equal(found, np.argsort(plain, axis=1)[:, :5])
    assert np.allclose(distance, np.sort(plain, axis=1)[:, :5], atol=1e-3)


def test_fewer_rows_than_asked_for() -> None:
    found, distance = NeighborIndex(np.ones((2, 3), np.float32)).search(np.zeros((1, 3)), 4)
    assert found[0, 2:].tolist() == [-1, -1]
    assert np.isinf(distance[0, 2:]).all()


def test_a_large_index_is_an_inverted_file_and_nearly_exact() -> None:
    rows = np.random.default_rng(1).normal(size=(20_000, 8)).astype(np.float32)
    large = NeighborIndex(rows, flat=1000)
    assert "IVF" in type(large.index).__name__
    exact, near = NeighborIndex(rows).search(rows[:200], 10)[0], large.search(rows[:200], 10)[0]
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, near, strict=True)]) > 0.9


def test_density_is_larger_in_a_crowd() -> None:
    crowd, alone = np.zeros((30, 4)), np.arange(1, 6)[:, None] * 100.0 * np.ones((5, 4))
    store = FeatureStore(np.arange(35))
    rows = np.concatenate([crowd + np.random.default_rng(0).normal(size=(30, 4)) * 0.01, alone])
    store.put(np.arange(35), torch.from_numpy(rows))
    found = density(store, neighbors=3)
    assert found[:30].min() > 100 * found[30:].max()


def test_nearest_labeled_images_of_a_query() -> None:
    pool, known = stripes(40, seed=1), stripes(12, seed=2)
    labeled = ImagePool.from_tensor(known.images, known.ids.numpy())
    model = trained("convnet")
    context = QueryContext(
        pool=ImagePool.from_tensor(pool.images, pool.ids.numpy()), model=model, classes=4, seed=0,
        labeled_ids=known.ids.numpy(), labeled_targets=known.targets.numpy(), labeled_images=labeled,
    )  # fmt: skip
    asked = pool.ids.numpy()[[7, 3]]
    found = nearest_labeled(context, asked, 3)
    with torch.no_grad():
        theirs, mine = model.features(known.images / 255), model.features(pool.images[[7, 3]] / 255)
    expected = torch.cdist(mine, theirs).argsort(dim=1)[:, :3]
    assert np.array_equal(found, known.ids.numpy()[expected.numpy()])
    few = labeled.subset(known.ids.numpy()[:2])
    from dataclasses import replace

    assert nearest_labeled(replace(context, labeled_images=few), asked, 3)[:, 2].tolist() == [-1, -1]
    assert nearest_labeled(replace(context, model=None), asked, 3).tolist() == [[-1] * 3] * 2


def test_clusters_are_the_same_for_the_same_seed() -> None:
    generator = np.random.default_rng(3)
    middle = generator.normal(size=(5, 4)) * 20
    rows = (middle[np.arange(600) % 5] + generator.normal(size=(600, 4))).astype(np.float32)
    found, distance = cluster(rows, 5, seed=2**62)
    again, _ = cluster(rows, 5, seed=2**62)
    assert np.array_equal(found, again)
    assert len(set(zip(found, np.arange(600) % 5, strict=True))) == 5  # the five groups, whatever their numbers
    assert (distance < 6).all()


def test_without_faiss_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(StrategyError, match=r"expected FAISS .* pip install faiss-gpu"):
        NeighborIndex(np.ones((2, 3), np.float32))
