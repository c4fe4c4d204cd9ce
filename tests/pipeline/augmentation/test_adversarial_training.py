from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import truncnorm
from torch.nn import functional

from pipeline.augmentation.adversarial_training import (
    KurakinMix,
    Trades,
    UnlabeledImages,
    check_unlabeled,
    divergence,
    draw_sizes,
)
from pipeline.errors import TrainingError
from pipeline.training.losses import class_loss
from tests.pipeline.toys import Linear, linear, trained


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_sizes_follow_the_papers_distribution() -> None:
    sizes = draw_sizes(20_000, 16.0, generator()).numpy()
    expected = truncnorm(0.0, 2.0, scale=8.0)  # of [0, 16] with a standard deviation of 8
    assert 0 <= sizes.min() <= sizes.max() <= 16
    for share in (0.1, 0.5, 0.9):
        assert np.quantile(sizes, share) == pytest.approx(expected.ppf(share), rel=0.04)


def test_the_mixs_loss_is_the_papers() -> None:
    kind, labeled = KurakinMix(share=0.3, weight=0.3), 10
    logits, targets = torch.randn(labeled, 4, generator=generator()).double(), torch.arange(labeled) % 4
    each = functional.cross_entropy(logits, targets, reduction="none")
    assert kind.rows(labeled) == 3
    paper = (each[3:].sum() + 0.3 * each[:3].sum()) / (7 + 0.3 * 3)
    assert class_loss(logits, targets, factors=kind.factors(labeled)) == pytest.approx(float(paper), rel=1e-12)


def test_the_mix_pushes_a_linear_model_as_by_hand() -> None:
    weight = torch.tensor([[2.0, -1.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    model, image = Linear(weight, torch.tensor([1.0, 0.0], dtype=torch.float64)), torch.full((1, 1, 2, 2), 0.5).double()
    size = float(draw_sizes(1, 0.2, generator()))
    expected = image + size * torch.tensor([[[[-1.0, 1.0], [-1.0, 0.0]]]])
    assert torch.allclose(KurakinMix(epsilon=0.2).push(model, image, generator()), expected, atol=1e-12)
    # Of two classes the least likely is where leaving the prediction leads.
    towards = KurakinMix(epsilon=0.2, away_from="least_likely").push(model, image, generator())
    assert torch.allclose(towards, expected, atol=1e-12)


def test_towards_the_least_likely_class() -> None:
    model, images = linear(5, 16, seed=3), torch.rand(30, 1, 4, 4, generator=generator()).double()
    least = model(images).argmin(dim=1)
    pushed = KurakinMix(epsilon=0.1, away_from="least_likely").push(model, images, generator())
    before, after = (functional.cross_entropy(model(x), least, reduction="none") for x in (images, pushed))
    assert bool((after <= before).all())
    assert float((pushed - images).abs().amax()) <= 0.1 + 1e-9


def test_the_worst_neighbor_stays_near_and_is_worse_than_a_random_one() -> None:
    model, kind = trained("convnet"), Trades(epsilon=0.05, steps=10)
    images = torch.rand(24, 1, 16, 16, generator=generator(1))
    state = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    before = torch.get_rng_state()
    pushed = kind.push(model, images, generator())
    assert model.training
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not pushed.requires_grad
    model.eval()
    assert float((pushed - images).abs().max()) <= 0.05 + 1e-6
    assert 0 <= float(pushed.min()) <= float(pushed.max()) <= 1
    noise = (images + 0.05 * torch.sign(torch.randn(images.shape, generator=generator(2)))).clamp(0, 1)
    with torch.no_grad():
        clean = functional.log_softmax(model(images), dim=1)
        worst, random = (float(divergence(clean, model(x), reduction="batchmean")) for x in (pushed, noise))
    assert worst > 3 * random


def test_the_divergence_by_hand() -> None:
    clean, pushed = torch.tensor([[0.75, 0.25], [0.5, 0.5]]).log(), torch.tensor([[0.5, 0.5], [0.5, 0.5]]).log()
    one = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert float(Trades(beta=4.0).loss(clean, pushed)) == pytest.approx(4.0 * one / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (KurakinMix, {"share": 0.6}),
        (KurakinMix, {"weight": 0.0}),
        (KurakinMix, {"away_from": "label"}),
        (KurakinMix, {"epsilon": 0.0}),
        (Trades, {"beta": 0.0}),
        (Trades, {"steps": 0}),
        (Trades, {"step_size": 2.0}),
        (Trades, {"epsilon": 2.0}),
    ],
)
def test_settings_out_of_range(kind: type, settings: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match="expected"):
        kind(**settings)


def test_a_batch_without_room_is_refused() -> None:
    with pytest.raises(TrainingError, match="room for adversarial"):
        KurakinMix(share=0.2).rows(4)


def test_unlabeled_images_need_trades_and_stay_out_of_validation() -> None:
    images = UnlabeledImages(torch.zeros(3, 1, 4, 4, dtype=torch.uint8), torch.tensor([3, 4, 5]))
    check_unlabeled(images, Trades(), torch.tensor([6]))
    for other in (None, KurakinMix()):
        with pytest.raises(TrainingError, match="without TRADES"):
            check_unlabeled(images, other, torch.tensor([6]))
    with pytest.raises(TrainingError, match="no validation image"):
        check_unlabeled(images, Trades(), torch.tensor([5]))
    with pytest.raises(TrainingError, match="an id each"):
        check_unlabeled(UnlabeledImages(images.images, images.ids[:2]), Trades(), torch.tensor([6]))
