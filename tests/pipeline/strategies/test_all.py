"""One table for all strategies: whatever is asked of one is asked of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.attacks.deepfool import deepfool
from pipeline.catalog import STRATEGIES
from pipeline.data.pool import ImagePool
from pipeline.errors import StrategyError
from pipeline.randomness import per_sample_uniform
from pipeline.strategies.base import QueryContext, Selection, take_best
from pipeline.strategies.registry import get_strategy
from tests.pipeline.toys import CPU, Linear, linear, stripes, trained

Ids = NDArray[np.int64]
Slow = Callable[[QueryContext], list[float]]


def slow_distance(context: QueryContext) -> list[float]:
    assert context.model is not None
    return [float(deepfool(context.model, context.pool.take([i])).distance) for i in context.pool.ids]


def slow_margin(context: QueryContext) -> list[float]:
    assert context.model is not None
    margins = []
    for sample in context.pool.ids:
        with torch.no_grad():
            logits = context.model(context.pool.take([sample]).double() / 255)[0].tolist()
        top = max(logits)
        total = sum(math.exp(z - top) for z in logits)
        first, second = sorted((math.exp(z - top) / total for z in logits), reverse=True)[:2]
        margins.append(first - second)
    return margins


def slow_random(context: QueryContext) -> list[float]:
    return [float(per_sample_uniform(context.seed, np.array([i]), "random_sampling")[0]) for i in context.pool.ids]


@dataclass(frozen=True)
class Row:
    spec: str
    slow: Slow


TABLE = [
    Row("dfal", slow_distance),
    Row("dfal_0", slow_distance),
    Row("margin", slow_margin),
    Row("random_sampling", slow_random),
    Row("margin+copies", slow_margin),
    Row("random_sampling+copies", slow_random),
]
every = pytest.mark.parametrize("row", TABLE, ids=[row.spec for row in TABLE])


@pytest.fixture(params=["lenet5", "convnet"])
def context(request: pytest.FixtureRequest) -> Iterator[QueryContext]:
    """In float64, in which batches of another size cannot reorder anything."""
    images = stripes(120, seed=9)
    shuffled = torch.randperm(120, generator=torch.Generator().manual_seed(1))
    pool = ImagePool.from_tensor(images.images[shuffled], images.ids[shuffled].numpy())
    model = trained(request.param).double()
    yield QueryContext(pool=pool, model=model, classes=4, seed=5, device=CPU)
    model.float()


def equal(first: Selection, second: Selection) -> bool:
    return (
        np.array_equal(first.ids, second.ids)
        and np.allclose(first.scores, second.scores, rtol=1e-9)
        and np.array_equal(first.predicted, second.predicted)
        and np.array_equal(first.nearest, second.nearest)
    )


def test_the_table_has_every_strategy() -> None:
    assert set(STRATEGIES) <= {row.spec for row in TABLE}


@every
@pytest.mark.parametrize("k", [1, 17, 120])
def test_exactly_k_unique_ids_of_the_pool_best_first(row: Row, k: int, context: QueryContext) -> None:
    found = get_strategy(row.spec).select(context, k)
    assert found.ids.dtype == np.int64
    assert found.scores.dtype == np.float64
    assert len(found.ids) == len(set(found.ids.tolist())) == len(found.scores) == k
    assert set(found.ids.tolist()) <= set(context.pool.ids.tolist())
    assert np.array_equal(np.lexsort((found.ids, found.scores)), np.arange(k))


@every
def test_equals_a_slow_reference(row: Row, context: QueryContext) -> None:
    scores = np.array(row.slow(context))
    order = np.lexsort((context.pool.ids, scores))[:25]
    assert np.array_equal(get_strategy(row.spec).select(context, 25).ids, context.pool.ids[order])


@every
def test_neither_order_nor_batches_change_the_choice(row: Row, context: QueryContext) -> None:
    first = get_strategy(row.spec).select(context, 20)
    shuffled = context.pool.subset(np.random.default_rng(3).permutation(context.pool.ids))
    for other in (context, replace(context, pool=shuffled), replace(context, batch_size=7)):
        assert equal(first, get_strategy(row.spec).select(other, 20))


@every
def test_the_model_and_the_global_state_are_untouched(row: Row, context: QueryContext) -> None:
    model = context.model
    assert model is not None
    model.train()
    first = next(iter(model.parameters()))
    first.grad = torch.ones_like(first)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    random, legacy = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    try:
        get_strategy(row.spec).select(context, 9)
        assert all(module.training for module in model.modules())
        assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
        assert all(parameter.requires_grad for parameter in model.parameters())
        assert torch.equal(first.grad, torch.ones_like(first))
        assert all(parameter.grad is None for parameter in list(model.parameters())[1:])
        assert torch.equal(torch.random.get_rng_state(), random)
        assert np.array_equal(np.random.get_state()[1], legacy)  # noqa: NPY002
    finally:
        first.grad = None
        model.eval()


@every
def test_classes_are_the_models(row: Row, context: QueryContext) -> None:
    assert context.model is not None
    found = get_strategy(row.spec).select(context, 30)
    with torch.no_grad():
        logits = context.model(context.pool.take(found.ids).double() / 255)
    assert np.array_equal(found.predicted, logits.argmax(dim=1).numpy())
    assert ((found.nearest >= 0) & (found.nearest < 4) & (found.nearest != found.predicted)).all()


@pytest.mark.parametrize("row", [row for row in TABLE if "random" not in row.spec], ids=lambda row: row.spec)
def test_equal_scores_are_ordered_by_id(row: Row) -> None:
    same = ImagePool.from_tensor(torch.full((90, 1, 2, 2), 9, dtype=torch.uint8), np.arange(90)[::-1].copy())
    context = QueryContext(pool=same, model=linear(3, 4), classes=3, seed=0)
    assert get_strategy(row.spec).select(context, 4).ids.tolist() == [0, 1, 2, 3]


@every
def test_impossible_requests_are_clear_errors(row: Row, context: QueryContext) -> None:
    strategy = get_strategy(row.spec)
    empty = replace(context, pool=context.pool.subset([]))
    broken = replace(context, model=Linear(torch.full((4, 256), math.nan), torch.zeros(4)))
    too_many = replace(context, model=linear(5, 256))
    for bad, k, words in (
        (context, 121, "the pool's 120 images, got 121"),
        (context, 0, "got 0"),
        (empty, 1, "got an empty one"),
        (replace(context, classes=1), 1, "2 classes or more"),
        (broken, 3, "finite logits, got NaN"),
        (too_many, 3, r"expected logits \(B, 4\)"),
    ):
        with pytest.raises(StrategyError, match=words):
            strategy.select(bad, k)
    if strategy.needs_model:
        with pytest.raises(StrategyError, match="expected a trained model"):
            strategy.select(replace(context, model=None), 3)


@every
def test_copies_are_over_the_border_of_the_asked(row: Row, context: QueryContext) -> None:
    strategy = get_strategy(row.spec)
    found = strategy.select(context, 8)
    assert strategy.makes_copies == (found.copies is not None) == row.spec.endswith(("dfal", "+copies"))
    if found.copies is None or found.copy_distances is None:
        return
    assert context.model is not None
    assert found.copies.dtype == torch.float32
    assert found.copies.shape == (8, 1, 16, 16)
    originals = context.pool.take(found.ids).float() / 255
    assert np.allclose((found.copies - originals).flatten(1).norm(dim=1).numpy(), found.copy_distances, rtol=1e-3)
    assert (context.model(found.copies.double()).argmax(dim=1).numpy() != found.predicted).all()
    if row.spec == "dfal":
        assert np.allclose(found.copy_distances, found.scores, rtol=1e-6)


@pytest.mark.parametrize("spec", ["random_sampling", "random_sampling+copies"])
def test_random_sampling_needs_no_model_and_follows_its_seed(spec: str, context: QueryContext) -> None:
    blind = replace(context, model=None)
    found = get_strategy(spec).select(blind, 12)
    assert found.predicted.tolist() == found.nearest.tolist() == [-1] * 12
    assert found.copies is None
    assert not np.array_equal(found.ids, get_strategy(spec).select(replace(blind, seed=6), 12).ids)


def test_scores_that_are_not_numbers_are_never_ranked() -> None:
    with pytest.raises(StrategyError, match="NaN for sample 9"):
        take_best(np.array([4, 9]), np.array([0.0, math.nan]), 1)
    assert take_best(np.array([4, 9, 2]), np.array([1.0, 3.0, 3.0]), 2, largest=True).tolist() == [2, 1]
