"""Adversarial training, through the trainer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.attacks.fixed import push_by
from pipeline.augmentation.adversarial_training import (
    AdversarialTraining,
    KurakinMix,
    Trades,
    UnlabeledImages,
    divergence,
)
from pipeline.errors import TrainingError
from pipeline.models.registry import build_model
from pipeline.models.state import private_randomness
from pipeline.training.batched import Lesson, can_batch, train_batched
from pipeline.training.labeled import LabeledImages
from pipeline.training.recipes import RECIPES, SupervisedRecipe, recipe_by_name
from pipeline.training.run import Run
from pipeline.training.supervised import train
from tests.pipeline.toys import CPU, QUICK, stripes, trained

SHORT = replace(QUICK, least_steps=12, most_steps=12, window=4)
KINDS: list[AdversarialTraining] = [KurakinMix(epsilon=0.1), Trades(epsilon=0.05, steps=2)]


def built(name: str = "lenet5") -> nn.Module:
    return build_model(name, classes=4, channels=1, image_size=16, seed=0)


def pool_of(count: int = 20) -> UnlabeledImages:
    images = stripes(count, seed=7)
    return UnlabeledImages(images.images, images.ids)


def copies_of(labeled: LabeledImages, count: int) -> LabeledImages:
    return LabeledImages(labeled.images[:count].float() / 255 + 0.5, labeled.targets[:count], labeled.ids[:count])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["lenet5", "convnet"])
def test_a_resumed_training_ends_with_the_same_bits(kind: AdversarialTraining, name: str, tmp_path: Path) -> None:
    labeled, recipe = stripes(24), replace(SHORT, adversarial=kind)
    pool = pool_of() if isinstance(kind, Trades) else None
    extra = {"copies": copies_of(labeled, 12), "unlabeled": pool}
    whole, stopped = built(name), built(name)
    train(whole, labeled, recipe, seed=0, device=CPU, **extra)

    file = tmp_path / "checkpoint"
    _until(stopped, labeled, recipe, 5, file, extra)
    resumed = built(name)
    seen: list[int] = []
    train(
        resumed,
        labeled,
        recipe,
        seed=0,
        device=CPU,
        checkpoint=file,
        on_progress=lambda *at: seen.append(at[0]),
        **extra,
    )
    assert seen == [12]
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def _until(
    model: nn.Module, labeled: LabeledImages, recipe: SupervisedRecipe, step: int, file: Path, extra: dict[str, object]
) -> None:
    with private_randomness():
        run = Run(model, labeled, recipe, 0, CPU, extra["copies"], None, None, None, extra["unlabeled"])
        model.train()
        while run.step < step:
            run.advance()
        run.save(file)


def test_without_it_nothing_changes() -> None:
    assert "adversarial" not in repr(QUICK)
    assert "adversarial=KurakinMix(share=0.5" in repr(replace(QUICK, adversarial=KurakinMix()))
    assert {"adversarial_mix", "trades"} <= set(RECIPES)
    assert isinstance(recipe_by_name("trades").adversarial, Trades)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_pushed_passes_with_statistics_of_its_own(kind: AdversarialTraining) -> None:
    """Half of a batch, shifted far away, would move the running mean of the first normalization by far."""
    plain, attacked, labeled = built("convnet"), built("convnet"), stripes(24)
    shape = {"augmentation": "none", "least_steps": 1, "most_steps": 1, "window": 1}
    train(plain, labeled, replace(SHORT, **shape), seed=0, device=CPU)
    batches: list[int] = []
    first = next(module for module in attacked.modules() if isinstance(module, nn.BatchNorm2d))
    with first.register_forward_pre_hook(
        lambda module, given: batches.append(len(given[0])) if module.training and module.track_running_stats else None
    ):
        train(attacked, labeled, replace(SHORT, **shape, adversarial=kind), seed=0, device=CPU)
    clean = 8 if isinstance(kind, KurakinMix) else 16
    assert batches == [clean]


def test_trades_learns_from_the_pool() -> None:
    labeled, recipe = stripes(24), replace(SHORT, adversarial=Trades(epsilon=0.05, steps=2))
    with_pool, without = built(), built()
    train(with_pool, labeled, recipe, seed=0, device=CPU, unlabeled=pool_of())
    train(without, labeled, recipe, seed=0, device=CPU)
    assert not torch.equal(next(with_pool.parameters()), next(without.parameters()))
    with pytest.raises(TrainingError, match="without TRADES"):
        train(built(), labeled, SHORT, seed=0, device=CPU, unlabeled=pool_of())
    held_out = stripes(20, seed=7)
    with pytest.raises(TrainingError, match="no validation image"):
        train(built(), labeled, recipe, seed=0, device=CPU, unlabeled=pool_of(), validation=held_out)


def test_the_network_gets_what_it_trains_for() -> None:
    labeled, test = stripes(60), stripes(200, seed=3)
    recipe = replace(QUICK, least_steps=150, most_steps=150, augmentation="none", patience=0)
    images = test.images.float() / 255

    def taught(adversarial: AdversarialTraining | None) -> nn.Module:
        model = built()
        train(model, labeled, replace(recipe, adversarial=adversarial), seed=0, device=CPU)
        return model

    @torch.no_grad()
    def attacked(model: nn.Module) -> float:
        return float(functional.cross_entropy(model(push_by(model, test.images, epsilon=0.15)), test.targets))

    @torch.no_grad()
    def unsteady(model: nn.Module) -> float:
        worst = Trades(epsilon=0.1, steps=5).push(model, images, torch.Generator().manual_seed(0))
        clean = functional.log_softmax(model(images), dim=1)
        return float(divergence(clean, model(worst), reduction="batchmean"))

    plain = taught(None)
    assert attacked(taught(KurakinMix(epsilon=0.2, weight=1.0))) < 0.95 * attacked(plain)
    assert unsteady(taught(Trades(epsilon=0.1, steps=2, step_size=0.05, beta=3.0))) < 0.2 * unsteady(plain)


def test_the_batched_trainer_refuses_and_mixing_does_not_go_with_it() -> None:
    recipe = replace(SHORT, adversarial=KurakinMix())
    assert can_batch(trained("lenet5"), SHORT)
    assert not can_batch(trained("lenet5"), recipe)
    lessons = [Lesson(model=built(), labeled=stripes(12), seed=seed) for seed in (0, 1)]
    with pytest.raises(TrainingError, match="without adversarial training"):
        train_batched(lessons, recipe, device=CPU)
    with pytest.raises(TrainingError, match="got both"):
        replace(recipe, mixing="mixup")
    with pytest.raises(TrainingError, match="room for adversarial"):
        train(built(), stripes(12), replace(SHORT, batch_size=2, adversarial=KurakinMix(share=0.4)), seed=0, device=CPU)
