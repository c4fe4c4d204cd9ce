from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.attacks import lazy
from pipeline.attacks.border import Norm
from pipeline.attacks.deepfool import DeepFoolResult, DeepFoolSettings, deepfool, push
from pipeline.attacks.estimate import FirstStep
from pipeline.attacks.search import nearest_to_border
from pipeline.data.pool import ImagePool
from pipeline.errors import StrategyError
from pipeline.models.registry import build_model
from tests.pipeline.toys import Linear, linear, stripes, trained


def pool_of(count: int, seed: int = 9) -> ImagePool:
    images = stripes(count, seed=seed)
    return ImagePool.from_tensor(images.images, images.ids.numpy())


@pytest.mark.parametrize(
    ("name", "count", "seed"), [("lenet5", 1500, 0), ("lenet5", 1500, 1), ("lenet5", 1500, 2), ("convnet", 300, 0)]
)
def test_lazy_equals_exhaustive(name: str, count: int, seed: int) -> None:
    model, pool = trained(name, seed), pool_of(count, seed=20 + seed)
    whole = nearest_to_border(model, pool, count // 5, exhaustive=True)
    for k in (1, 10, count // 15, count // 5):
        found = nearest_to_border(model, pool, k, seed=seed)
        assert np.array_equal(found.ids, whole.ids[:k])
        assert np.allclose(found.distance, whole.distance[:k], rtol=1e-3)
        assert np.array_equal(found.predicted, whole.predicted[:k])
        assert np.array_equal(found.nearest, whole.nearest[:k])
        assert int(found.diagnostics["attacked"]) <= 3 * k + 64 + 128  # lazy, really


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_lazy_equals_exhaustive_on_a_larger_pool_and_says_what_it_did(norm: Norm) -> None:
    model, pool = trained("lenet5", 1), pool_of(6_000, seed=30)
    distance = deepfool(model, pool.take(pool.ids), norm=norm, chunk=1000).distance.numpy()
    order = np.lexsort((pool.ids, distance))
    for k in (10, 300):
        found = nearest_to_border(model, pool, k, norm=norm)
        assert np.array_equal(found.ids, pool.ids[order[:k]])
        assert int(found.diagnostics["estimated"]) < 4_000
        assert int(found.diagnostics["attacked"]) < 4 * k + 64 + 128


@pytest.mark.parametrize("candidates", [1, 2])
def test_lazy_equals_exhaustive_with_few_candidates(candidates: int) -> None:
    model, pool = trained("convnet"), pool_of(400)
    quick, whole = (nearest_to_border(model, pool, 30, candidates=candidates, exhaustive=e) for e in (False, True))
    assert np.array_equal(quick.ids, whole.ids)
    assert np.allclose(quick.distance, whole.distance, rtol=1e-3)


def test_color_images_of_224_pixels() -> None:
    model = build_model("mobilenet_v3_small", classes=4, channels=3, image_size=224, seed=0).eval()
    images = torch.randint(0, 255, (9, 3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pool = ImagePool.from_tensor(images)
    quick, whole = (nearest_to_border(model, pool, 2, exhaustive=e) for e in (False, True))
    assert np.isfinite(whole.distance).all()
    assert np.array_equal(quick.ids, whole.ids)
    assert np.allclose(quick.distance, whole.distance, rtol=1e-3)


def test_a_block_takes_no_more_memory_or_scans_in_a_larger_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks: list[int] = []

    def watched(self: lazy.Search, block: np.ndarray) -> None:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        attack_block(self, block)
        peaks.append(tracemalloc.get_traced_memory()[1] - before)

    attack_block = lazy.Search._attack_block
    monkeypatch.setattr(lazy.Search, "_attack_block", watched)
    model, most = linear(3, 4), {}
    tracemalloc.start()  # NumPy reports its arrays
    try:
        for count in (2_000, 2_000, 200_000):  # the first warms up
            images = torch.randint(0, 255, (count, 1, 2, 2), generator=torch.Generator().manual_seed(0))
            nearest_to_border(model, ImagePool.from_tensor(images.to(torch.uint8)), 300)
            most[count] = max(peaks)
            peaks.clear()
    finally:
        tracemalloc.stop()
    assert most[200_000] < 1.5 * most[2_000] < 200_000  # a mask of the pool alone would be 200,000 bytes


def test_blocks_are_smaller_where_images_are_larger() -> None:
    images = torch.zeros(3, 3, 2000, 2000, dtype=torch.uint8)
    search = lazy.Search(linear(2, 4), ImagePool.from_tensor(images), 1, DeepFoolSettings(), 0.75, 0, None)
    assert search._block(256) == 1
    small = lazy.Search(linear(2, 4), pool_of(3), 1, DeepFoolSettings(), 0.75, 0, None)
    assert small._block(256) == 256


def test_exhaustive_is_deepfool_sorted() -> None:
    model, pool = trained("convnet"), pool_of(60)
    distance = deepfool(model, pool.take(pool.ids)).distance.numpy()
    order = np.lexsort((pool.ids, distance))
    found = nearest_to_border(model, pool, 60, exhaustive=True)
    assert np.array_equal(found.ids, pool.ids[order])


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_both_norms(norm: Norm) -> None:
    model, pool = trained("lenet5"), pool_of(500)
    quick, whole = (nearest_to_border(model, pool, 20, norm=norm, exhaustive=e) for e in (False, True))
    assert np.array_equal(quick.ids, whole.ids)


class Kinked(nn.Module):
    """Two classes in one dimension; far from the border the gap is flat, so that one step overestimates a lot."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, images: Tensor) -> Tensor:
        x = images.flatten(1)[:, :1] * self.scale  # (B, 1)
        gap = torch.where(x < 0.55, x, 0.55 + (x - 0.55) * 0.02) + 0.05  # (B, 1)
        return torch.cat([gap, -gap], dim=1)


def test_estimates_that_are_far_too_long_do_no_harm() -> None:
    # the estimate of the flat part is many times its distance; the pool has few steep images
    values = np.concatenate([np.linspace(0.56, 0.60, 190), np.linspace(0.70, 0.74, 10)])
    images = torch.from_numpy((values * 255).astype(np.uint8)).view(-1, 1, 1, 1)
    pool = ImagePool.from_tensor(images, np.arange(200))
    model = Kinked()
    quick = nearest_to_border(model, pool, 20)
    whole = nearest_to_border(model, pool, 20, exhaustive=True)
    assert np.array_equal(quick.ids, whole.ids)


def test_the_recall_check_finds_what_a_wrong_estimate_hides(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = lazy.first_steps

    def dishonest(*arguments: Any, **named: Any) -> FirstStep:
        first = honest(*arguments, **named)
        distance = first.border.distance
        too_long = torch.where(distance < distance.median(), distance * 50, distance)
        pruning = named["pruning"]
        if pruning is not None:
            pruning.steepness.largest = 1e-6  # "nothing without an estimate can be near"
        return replace(first, border=replace(first.border, distance=too_long))

    def honest_push(*arguments: Any, **named: Any) -> DeepFoolResult:
        return push(*arguments, **{**named, "first": None, "pruning": None})

    model, pool = trained("lenet5"), pool_of(400)
    whole = nearest_to_border(model, pool, 40, exhaustive=True)
    monkeypatch.setattr(lazy, "first_steps", dishonest)
    monkeypatch.setattr(lazy, "push", honest_push)
    found = nearest_to_border(model, pool, 40)
    assert found.diagnostics["violations"] > 0
    assert found.diagnostics["slack"] < 0.75
    assert np.array_equal(found.ids, whole.ids)
    monkeypatch.setattr(lazy.Search, "_should_have_been_in", lambda _self: False)
    assert not np.array_equal(nearest_to_border(model, pool, 40).ids, whole.ids)  # it was the check that found it


class Steeper(nn.Module):
    """The gap of two classes is the first pixel, and a tenth more where the second pixel is white."""

    def forward(self, images: Tensor) -> Tensor:
        first, second = images[:, 0, 0, 0], images[:, 0, 0, 1]
        gap = first * (1 + 0.1 * (second > 0.5))
        return torch.stack([gap, torch.zeros_like(gap)], dim=1)


def test_a_steeper_image_than_all_that_were_seen_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.zeros(3000, 1, 8, 8, dtype=torch.uint8)
    images[:, 0, 0, 0] = 200
    images[:9, 0, 0, 0], images[9, 0, 0, 0], images[10:400, 0, 0, 0] = 20, 40, 42
    images[2990, 0, 0, :2] = torch.tensor([39, 255], dtype=torch.uint8)  # the tenth; behind 400 others by its gap
    pool = ImagePool.from_tensor(images, np.arange(3000))
    assert nearest_to_border(Steeper(), pool, 10).ids[-1] == 2990
    monkeypatch.setattr(lazy, "_TRUST", 1.0)
    assert nearest_to_border(Steeper(), pool, 10).ids[-1] != 2990  # neither does the recall check come across it


def test_order_batches_and_seed_do_not_change_the_answer() -> None:
    model = trained("lenet5")
    images = stripes(400, seed=9)
    ids = images.ids.numpy()
    shuffled = np.random.default_rng(0).permutation(400)
    model = model.double()
    try:
        plain = nearest_to_border(model, ImagePool.from_tensor(images.images, ids), 25)
        other = nearest_to_border(
            model, ImagePool.from_tensor(images.images[shuffled], ids[shuffled]), 25, seed=8, batch_size=13
        )
    finally:
        model.float()
    assert np.array_equal(plain.ids, other.ids)
    assert np.allclose(plain.distance, other.distance, rtol=1e-9)


def test_equal_distances_are_ordered_by_id() -> None:
    same = ImagePool.from_tensor(torch.full((300, 1, 2, 2), 9, dtype=torch.uint8), np.arange(300)[::-1].copy())
    assert nearest_to_border(linear(3, 4), same, 5).ids.tolist() == [0, 1, 2, 3, 4]


def test_images_that_cannot_flip_come_last_and_are_counted() -> None:
    flat = Linear(torch.zeros(3, 4), torch.tensor([0.0, 2.0, 1.0]))
    pool = ImagePool.from_tensor(torch.randint(0, 255, (150, 1, 2, 2), dtype=torch.uint8))
    found = nearest_to_border(flat, pool, 4)
    assert np.isinf(found.distance).all()
    assert found.ids.tolist() == [0, 1, 2, 3]
    assert found.nearest.tolist() == [-1] * 4
    assert found.diagnostics["unflipped"] == 150


def test_k_may_be_the_whole_pool() -> None:
    pool = pool_of(90)
    quick, whole = (nearest_to_border(trained("lenet5"), pool, 90, exhaustive=e) for e in (False, True))
    assert np.array_equal(quick.ids, whole.ids)


def test_the_figures_of_the_recall_check_are_kept() -> None:
    figures = nearest_to_border(trained("lenet5"), pool_of(800), 10).diagnostics
    assert figures["checked"] == 128
    assert figures["violations"] == 0
    assert 0 < float(figures["least_ratio"]) <= 1.5
    assert figures["guarantee"] == "measured"


@pytest.mark.parametrize(("k", "slack"), [(0, 0.75), (11, 0.75), (3, 0.0), (3, 1.5)])
def test_out_of_range(k: int, slack: float) -> None:
    with pytest.raises(StrategyError, match="expected k from 1"):
        nearest_to_border(
            linear(3, 4), ImagePool.from_tensor(torch.zeros(10, 1, 2, 2, dtype=torch.uint8)), k, slack=slack
        )


def test_nan_logits_are_a_clear_error() -> None:
    model = Linear(torch.full((3, 4), math.nan), torch.zeros(3))
    with pytest.raises(StrategyError, match="finite logits, got NaN"):
        nearest_to_border(model, ImagePool.from_tensor(torch.zeros(10, 1, 2, 2, dtype=torch.uint8)), 2)
