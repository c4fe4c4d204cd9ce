"""The first round without a single label."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.data.pool import ImagePool
from pipeline.errors import FileDamaged, StrategyError
from pipeline.features import learned
from pipeline.features.embedding import Embedder
from pipeline.strategies.base import QueryContext, Selection
from pipeline.strategies.registry import get_strategy
from tests.pipeline.toys import stripes

COLD = ["typiclust", "probcover", "core_set", "core_set_robust", "kmeans"]


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> QueryContext:
    monkeypatch.setattr(learned, "STEPS", {"autoencoder": 30, "contrastive": 20})
    images = stripes(80, seed=9)
    return QueryContext(pool=ImagePool.from_tensor(images.images, images.ids.numpy()), model=None, classes=4, seed=5)


def same(first: Selection, second: Selection) -> bool:
    return np.array_equal(first.ids, second.ids) and np.allclose(first.scores, second.scores)


@pytest.mark.parametrize("spec", COLD)
@pytest.mark.parametrize("source", ["auto", "contrastive"])
def test_a_first_round_without_labels_or_model(spec: str, source: str, context: QueryContext) -> None:
    strategy = get_strategy(f"{spec}(features={source!r})")
    found = strategy.select(context, 12)
    assert len(set(found.ids.tolist())) == 12
    assert found.predicted.tolist() == found.nearest.tolist() == [-1] * 12
    assert found.diagnostics["features"] == ("autoencoder" if source == "auto" else "contrastive")
    chance = get_strategy("random_sampling").select(context, 12)
    assert set(found.ids.tolist()) != set(chance.ids.tolist())  # no silent fall back
    state = torch.random.get_rng_state()
    assert same(found, strategy.select(context, 12))
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("source", ["autoencoder", "contrastive"])
def test_neither_the_pools_order_nor_batches_change_the_choice(source: str, context: QueryContext) -> None:
    strategy = get_strategy(f"typiclust(features={source!r})")
    shuffled = context.pool.subset(np.random.default_rng(3).permutation(context.pool.ids))
    first = strategy.select(context, 9)
    assert same(first, strategy.select(replace(context, pool=shuffled), 9))
    assert first.ids.tolist() == strategy.select(replace(context, batch_size=9), 9).ids.tolist()


def test_learning_lowers_the_loss_and_tells_likenesses(context: QueryContext) -> None:
    images = stripes(200, seed=1)
    pool = ImagePool.from_tensor(images.images, images.ids.numpy())
    trained_ = Embedder(replace(context, pool=pool), "autoencoder").store(pool).rows.astype(np.float64)
    near = np.linalg.norm(trained_[:, None] - trained_[None], axis=2) + np.eye(200) * 1e9
    alike = (images.targets.numpy()[near.argmin(axis=1)] == images.targets.numpy()).mean()
    assert alike > 0.5  # a quarter by chance; the network saw no target


def test_a_kept_network_serves_later_rounds(context: QueryContext, tmp_path: Path) -> None:
    strategy = get_strategy("core_set")
    lines: list[str] = []
    kept = replace(context, scratch=tmp_path, on_progress=lambda _done, _total, line: lines.append(line))
    first = strategy.select(kept, 6)
    assert any("without labels" in line for line in lines)
    lines.clear()
    smaller = replace(kept, pool=kept.pool.subset(kept.pool.ids[3:]))
    strategy.select(smaller, 6)
    assert not any("without labels" in line for line in lines)
    images = stripes(161, seed=12)
    for count, anew in ((160, False), (161, True)):  # learned from 80
        larger = ImagePool.from_tensor(images.images[:count], images.ids[:count].numpy())
        strategy.select(replace(kept, pool=larger), 6)
        assert any("without labels" in line for line in lines) == anew
    assert not same(first, strategy.select(kept, 6))  # other features by now
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(FileDamaged, match="delete it to learn anew"):
        strategy.select(kept, 6)


def test_labels_of_a_first_round_are_covered_already(context: QueryContext) -> None:
    pool = context.pool
    known = pool.ids[:10]
    labeled = replace(
        context,
        pool=pool.subset(pool.ids[10:]),
        labeled_ids=known,
        labeled_targets=np.zeros(10, dtype=np.int64),
        labeled_images=pool.subset(known),
    )
    found = get_strategy("core_set(features='autoencoder')").select(labeled, 5)
    assert np.isfinite(found.scores).all()  # the first pick is far from the labels, not from nothing
    with pytest.raises(StrategyError, match="expected the images of the 10 labels, got none"):
        get_strategy("core_set").select(replace(labeled, labeled_images=None), 5)


def test_pretrained_features_from_a_file(context: QueryContext, tmp_path: Path) -> None:
    from safetensors.torch import save_file
    from torchvision import models

    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(models.resnet18(weights=None).state_dict(), tmp_path / "resnet18.safetensors")
    spec = f"typiclust(features='pretrained', weights={str(tmp_path / 'resnet18.safetensors')!r})"
    found = get_strategy(spec).select(context, 5)
    assert found.diagnostics["features"] == "pretrained"
    with pytest.raises(StrategyError, match="expected pretrained features of resnet18"):
        get_strategy("typiclust(features='pretrained', weights='/nowhere.safetensors')").select(context, 5)


def test_wrong_sources_are_clear_errors(context: QueryContext) -> None:
    with pytest.raises(StrategyError, match="expected features from one of auto, model"):
        get_strategy("core_set(features='pixels')")
    with pytest.raises(StrategyError, match="expected a model for features='model', got none"):
        get_strategy("core_set(features='model')").select(context, 3)
