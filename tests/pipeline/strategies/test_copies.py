from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.attacks.fixed import push_by
from pipeline.data.pool import ImagePool
from pipeline.errors import StrategyError
from pipeline.strategies.base import QueryContext
from pipeline.strategies.copies import Kind, WithCopies
from pipeline.strategies.dfal import DFAL0
from pipeline.strategies.random_sampling import RandomSampling
from pipeline.strategies.registry import get_strategy
from pipeline.strategies.uncertainty import Margin
from tests.pipeline.toys import Linear, stripes, trained


def test_an_image_that_does_not_flip_gets_no_copy() -> None:
    images = stripes(60, seed=9)
    context = QueryContext(
        pool=ImagePool.from_tensor(images.images, images.ids.numpy()), model=trained("lenet5"), classes=4, seed=0
    )
    found = WithCopies(base=RandomSampling(), max_iterations=1).select(context, 60)
    assert found.copies is not None
    assert found.copy_distances is not None
    none = torch.from_numpy(np.isinf(found.copy_distances))
    assert 0 < none.sum() < 60
    assert found.copies[none].isnan().all()
    assert not found.copies[~none].isnan().any()
    assert found.diagnostics["copies"] == int((~none).sum())


def test_a_model_without_gradients_gives_no_copies_at_all() -> None:
    flat = Linear(torch.zeros(3, 4), torch.tensor([0.0, 2.0, 1.0]))
    pool = ImagePool.from_tensor(torch.zeros(9, 1, 2, 2, dtype=torch.uint8))
    found = WithCopies(base=DFAL0()).select(QueryContext(pool=pool, model=flat, classes=3, seed=0), 4)
    assert found.copies is not None
    assert found.copies.isnan().all()
    assert found.nearest.tolist() == [-1] * 4
    assert found.diagnostics["copies"] == 0


def labeled_context() -> QueryContext:
    pool, known = stripes(40, seed=9), stripes(30, seed=0)
    return QueryContext(
        pool=ImagePool.from_tensor(pool.images, pool.ids.numpy()), model=trained("lenet5"), classes=4, seed=0,
        labeled_ids=known.ids.numpy(), labeled_targets=known.targets.numpy(),
        labeled_images=ImagePool.from_tensor(known.images, known.ids.numpy()),
    )  # fmt: skip


def half_the_way(quantile: float) -> float:
    known = stripes(30, seed=0)
    pixels = known.images.double().flatten(1) / 255
    nearest = [
        min(float((one - other).norm()) for other, theirs in zip(pixels, known.targets, strict=True) if theirs != own)
        for one, own in zip(pixels, known.targets, strict=True)
    ]
    return float(np.quantile(nearest, quantile)) / 2


@pytest.mark.parametrize("kind", ["deepfool", "fgsm", "bim"])
def test_what_was_pushed_too_far_is_no_copy_and_is_counted(kind: Kind) -> None:
    every = WithCopies(base=RandomSampling(), kind=kind, reject_above=None, epsilon=0.3)
    lengths = every.select(labeled_context(), 40).copy_distances
    assert lengths is not None
    assert "copies_rejected" not in every.select(labeled_context(), 40).diagnostics
    found = WithCopies(base=RandomSampling(), kind=kind, reject_above=0.05, epsilon=0.3).select(labeled_context(), 40)
    assert found.copies is not None
    limit = half_the_way(0.05)
    assert found.diagnostics["copies_limit"] == pytest.approx(limit, rel=1e-4)
    expected = np.isfinite(lengths) & (lengths <= limit)
    assert np.isfinite(found.copy_distances).tolist() == expected.tolist()
    assert found.copies[torch.from_numpy(~expected)].isnan().all()
    assert found.diagnostics["copies_rejected"] == int(np.isfinite(lengths).sum() - expected.sum())
    assert found.diagnostics["copies"] == int(expected.sum())
    if kind != "deepfool":  # 16 x 16 pixels by 0.3 is about 4.8 long
        assert int(expected.sum()) < 5


def test_one_class_sets_no_limit() -> None:
    context = labeled_context()
    alone = replace(context, labeled_targets=np.zeros(30, dtype=np.int64))
    assert "copies_limit" not in WithCopies(base=RandomSampling()).select(alone, 9).diagnostics


def test_the_limit_does_not_depend_on_the_order_of_the_labels() -> None:
    context, turned = labeled_context(), np.arange(30)[::-1].copy()
    assert context.labeled_images is not None
    mixed = replace(
        context, labeled_images=context.labeled_images.subset(context.labeled_ids[turned]),
        labeled_ids=context.labeled_ids[turned], labeled_targets=context.labeled_targets[turned],
    )  # fmt: skip
    strategy = WithCopies(base=RandomSampling())
    first, second = (strategy.select(given, 9).diagnostics["copies_limit"] for given in (context, mixed))
    assert first == pytest.approx(second, rel=1e-6)


def test_copies_of_a_stated_size() -> None:
    context = labeled_context()
    strategy = WithCopies(base=RandomSampling(), kind="fgsm", epsilon=0.02, reject_above=None)
    found = strategy.select(context, 12)
    assert found.copies is not None
    originals = context.pool.take(found.ids).float() / 255
    assert torch.equal(found.copies, push_by(trained("lenet5"), context.pool.take(found.ids), epsilon=0.02))
    assert float((found.copies - originals).abs().max()) == pytest.approx(0.02, abs=1e-6)
    assert found.ids.tolist() == RandomSampling().select(context, 12).ids.tolist()


@pytest.mark.parametrize(
    "settings",
    [{"kind": "cw"}, {"made": "never"}, {"epsilon": 0.0}, {"steps": 0}, {"rounds": 0}, {"reject_above": 1.5}],
)
def test_settings_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(StrategyError, match="expected"):
        WithCopies(base=RandomSampling(), **settings)


@pytest.mark.parametrize(
    ("spec", "made"),
    [
        ("margin+copies(kind='fgsm')", WithCopies(base=Margin(), kind="fgsm")),
        (
            "margin+copies(kind='bim', epsilon=0.05, steps=5)",
            WithCopies(base=Margin(), kind="bim", epsilon=0.05, steps=5),
        ),
        ("dfal(norm='linf', made='anew', rounds=2)", WithCopies(base=DFAL0(norm="linf"), made="anew", rounds=2)),
        ("dfal(reject_above=None)", WithCopies(base=DFAL0(), reject_above=None)),
    ],
)
def test_as_it_is_typed(spec: str, made: WithCopies) -> None:
    assert get_strategy(spec) == made
    with pytest.raises(StrategyError, match="whole number for rounds"):
        get_strategy("dfal(rounds=2.5)")
