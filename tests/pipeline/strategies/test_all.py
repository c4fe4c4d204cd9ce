"""One table for all strategies: whatever is asked of one is asked of each."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from pipeline.catalog import STRATEGIES, WRAPPERS
from pipeline.data.pool import ImagePool
from pipeline.errors import StrategyError
from pipeline.models.registry import build_model
from pipeline.strategies.base import QueryContext, Selection, take_best
from pipeline.strategies.registry import get_strategy
from pipeline.strategies.shards import ShardsHere, select
from tests.pipeline.strategies import slow
from tests.pipeline.toys import CPU, stripes, trained


@dataclass(frozen=True)
class Row:
    """A strategy with its slow reference.

    Attributes:
        spec: What is typed.
        slow: The reference.
        ranked: Whether an image's score depends on that image alone.
        compared: How many picks are compared; sums over outcomes grow with each.
        random: Whether chance decides among equal images.
    """

    spec: str
    slow: slow.Slow
    ranked: bool = True
    compared: int = 25
    random: bool = False


_MARGIN = slow.by_score(slow.margin)
_RANDOM = slow.by_score(slow.random)
_DISTANCE = slow.by_score(slow.distance)
_ENTROPY = slow.by_score(slow.entropy, largest=True)

TABLE = [
    Row("dfal", _DISTANCE),
    Row("dfal_0", _DISTANCE),
    Row("dfal_one_step", slow.by_score(slow.one_step)),
    Row("fgsm", slow.by_score(slow.signs(once=True))),
    Row("bim", slow.by_score(slow.signs(once=False))),
    Row("least_confidence", slow.by_score(slow.confidence)),
    Row("margin", _MARGIN),
    Row("logit_gap", slow.by_score(slow.logit_gap)),
    Row("entropy", _ENTROPY),
    Row("bald", slow.over_draws(slow.information, largest=True)),
    Row("batch_bald", slow.batch_bald, ranked=False, compared=4),
    Row("power_bald", slow.power_bald, random=True),
    Row("variation_ratios", slow.over_draws(slow.mean_confidence, largest=False)),
    Row("mean_std", slow.over_draws(slow.mean_deviation, largest=True)),
    Row("ceal", _ENTROPY, ranked=False),
    Row("core_set", slow.core_set, ranked=False),
    Row("core_set_robust", slow.core_set_robust, ranked=False, random=True),
    Row("egl", slow.by_score(slow.expected_gradient, largest=True)),
    Row("badge", slow.badge, ranked=False),
    Row("typiclust", slow.typiclust, ranked=False),
    Row("probcover", slow.probcover, ranked=False),
    Row("kmeans", slow.kmeans, ranked=False),
    Row("random_sampling", _RANDOM, random=True),
    Row("margin+copies", _MARGIN),
    Row("random_sampling+copies", _RANDOM, random=True),
    Row("margin+class_balanced", slow.balanced(_MARGIN), ranked=False, compared=9),
    Row("margin+deduplicated", slow.different(_MARGIN), ranked=False),
    Row("margin+subsampled(size=40)", slow.subsampled(_MARGIN, 40), ranked=False, random=True),
    Row(
        "mixed(dfal_0=0.5, entropy=0.3, random_sampling=0.2)",
        slow.mixed([(_DISTANCE, 0.5), (_ENTROPY, 0.3), (_RANDOM, 0.2)]),
        ranked=False,
        random=True,
    ),
]
every = pytest.mark.parametrize("row", TABLE, ids=[row.spec for row in TABLE])


@pytest.fixture(params=["lenet5", "convnet"])
def context(request: pytest.FixtureRequest) -> Iterator[QueryContext]:
    """In float64, in which batches of another size cannot reorder anything."""
    images = stripes(120, seed=9)
    shuffled = torch.randperm(120, generator=torch.Generator().manual_seed(1))
    pool = ImagePool.from_tensor(images.images[shuffled], images.ids[shuffled].numpy())
    known = stripes(15, seed=30)
    model = trained(request.param).double()
    yield QueryContext(
        pool=pool,
        model=model,
        classes=4,
        seed=5,
        device=CPU,
        labeled_ids=known.ids.numpy(),
        labeled_targets=known.targets.numpy(),
        labeled_images=ImagePool.from_tensor(known.images, known.ids.numpy()),
    )
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
    assert all(any(wrapper in row.spec for row in TABLE) for wrapper in WRAPPERS)


@every
@pytest.mark.parametrize("k", [1, 17, 120])
def test_exactly_k_unique_ids_of_the_pool_best_first(row: Row, k: int, context: QueryContext) -> None:
    found = get_strategy(row.spec).select(context, k)
    assert found.ids.dtype == np.int64
    assert found.scores.dtype == np.float64
    assert len(found.ids) == len(set(found.ids.tolist())) == len(found.scores) == k
    assert set(found.ids.tolist()) <= set(context.pool.ids.tolist())
    assert not np.isnan(found.scores).any()
    if row.ranked:
        order = -found.scores if found.descending else found.scores
        assert np.array_equal(np.lexsort((found.ids, order)), np.arange(k))


@every
def test_equals_a_slow_reference(row: Row, context: QueryContext) -> None:
    expected = row.slow(context, row.compared)
    assert get_strategy(row.spec).select(context, row.compared).ids.tolist()[: len(expected)] == expected
    assert len(expected) >= min(4, row.compared)


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


@pytest.mark.parametrize("row", [row for row in TABLE if not row.random], ids=lambda row: row.spec)
def test_equal_images_are_ordered_by_id(row: Row, context: QueryContext) -> None:
    same = ImagePool.from_tensor(
        context.pool.take(context.pool.ids[:1]).repeat(90, 1, 1, 1), np.arange(90)[::-1].copy()
    )
    found = get_strategy(row.spec).select(replace(context, pool=same, batch_size=1), 4)
    assert found.ids.tolist() == [0, 1, 2, 3]


@every
@pytest.mark.parametrize("size", [9, 50, 120])
def test_shards_merge_to_the_answer_of_one_pass(row: Row, size: int, context: QueryContext) -> None:
    strategy = get_strategy(row.spec)
    whole = strategy.select(context, 20)
    runner = ShardsHere(size)
    merged = select(strategy, replace(context, runner=runner), 20)
    assert equal(whole, merged)
    assert not runner.left
    if whole.copies is not None and merged.copies is not None:
        assert torch.allclose(whole.copies, merged.copies)
    if whole.pseudo_ids is not None and merged.pseudo_ids is not None:
        assert np.array_equal(whole.pseudo_ids, merged.pseudo_ids)
    assert (whole.copies is None, whole.pseudo_ids is None) == (merged.copies is None, merged.pseudo_ids is None)


@every
def test_impossible_requests_are_clear_errors(row: Row, context: QueryContext) -> None:
    strategy = get_strategy(row.spec)
    empty = replace(context, pool=context.pool.subset([]))
    for bad, k, words in (
        (context, 121, "the pool's 120 images, got 121"),
        (context, 0, "got 0"),
        (empty, 1, "got an empty one"),
        (replace(context, classes=1), 1, "2 classes or more"),
    ):
        with pytest.raises(StrategyError, match=words):
            strategy.select(bad, k)
    if strategy.needs_model:
        with pytest.raises(StrategyError, match="expected a trained model"):
            strategy.select(replace(context, model=None), 3)


@every
def test_unfit_models_are_clear_errors(row: Row, context: QueryContext) -> None:
    broken = copy.deepcopy(context.model)
    assert broken is not None
    with torch.no_grad():
        next(iter(broken.parameters())).fill_(math.nan)
    five = build_model("lenet5", classes=5, channels=1, image_size=16, seed=0).double()
    for model, words in ((broken, "finite logits, got NaN"), (five, r"expected logits \(B, 4\)")):
        with pytest.raises(StrategyError, match=words):
            get_strategy(row.spec).select(replace(context, model=model), 3)


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
