from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from pipeline.errors import TrainingError
from pipeline.models.registry import build_model
from pipeline.training.dispatch import train_by
from pipeline.training.labeled import LabeledImages
from pipeline.training.paper import PaperRecipe, split, train_paper
from pipeline.training.validation import validate
from tests.pipeline.toys import CPU, Linear, stripes

TINY = PaperRecipe(restarts=2, epochs=3, batch_size=8)


def copies_of(labeled: LabeledImages) -> LabeledImages:
    return LabeledImages(labeled.images / 255 + 0.3, labeled.targets, labeled.ids)


def small(seed: int = 0) -> nn.Module:
    return Linear(torch.randn(4, 256, generator=torch.Generator().manual_seed(seed)) / 16, torch.zeros(4))


def test_it_learns_and_leaves_the_model_ready() -> None:
    model = build_model("lenet5", classes=4, channels=1, image_size=16, seed=0)
    before = torch.random.get_rng_state()
    recipe = PaperRecipe(restarts=1, epochs=40)
    report = train_by(recipe, model, stripes(150), seed=0, device=CPU)
    assert torch.equal(torch.random.get_rng_state(), before)
    new = stripes(200, seed=77)
    assert validate(model, new, CPU).accuracy > 0.6  # a quarter by chance
    assert not model.training
    assert report.steps == report.epochs * 4  # 120 of 150 images, 32 a step
    assert report.epochs <= 40


def test_a_seed_gives_the_same_weights_and_another_gives_others() -> None:
    def weights(seed: int) -> torch.Tensor:
        model = build_model("lenet5", classes=4, channels=1, image_size=16, seed=0)
        train_paper(model, stripes(20), TINY, seed=seed, device=CPU)
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


def test_the_restart_with_the_lowest_validation_loss_is_kept() -> None:
    class Hopeless(Linear):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images) * 0 + torch.tensor([90.0, 0, 0, 0])

    built: list[nn.Module] = []

    def build(seed: int) -> nn.Module:
        built.append(small(seed % 1000) if len(built) == 1 else Hopeless(torch.zeros(4, 256), torch.zeros(4)))
        return built[-1]

    model = Hopeless(torch.zeros(4, 256), torch.zeros(4))
    recipe = replace(TINY, restarts=4)
    report = train_paper(model, stripes(40), recipe, seed=0, device=CPU, build=build)
    assert len(built) == 3
    assert torch.equal(model.weight, built[1].weight)
    assert not torch.equal(model.weight, torch.zeros(4, 256))
    assert report.train_loss < 20


def test_the_first_restart_starts_from_the_callers_weights() -> None:
    model = small()
    weight = model.weight.detach().clone()
    slow = PaperRecipe(restarts=1, epochs=1, learning_rate=1e-6)
    train_paper(model, stripes(10), slow, seed=0, device=CPU)
    assert torch.allclose(model.weight, weight, atol=1e-4)
    assert not torch.equal(model.weight, weight)


def test_training_ends_after_five_epochs_without_a_lower_validation_loss() -> None:
    stuck = PaperRecipe(restarts=1, learning_rate=1e-30)
    calls: list[tuple[int, int, str]] = []
    report = train_paper(small(), stripes(10), stuck, seed=0, device=CPU, on_progress=lambda *told: calls.append(told))
    assert report.epochs == 6  # the first sets the mark
    assert calls[-1] == (6, 100, "training, restart 1 of 1")


def test_copies_validate_as_in_the_original_unless_told_otherwise() -> None:
    labeled = stripes(40)
    copies = copies_of(labeled)
    train, validation = split(labeled, copies, PaperRecipe(), seed=1)
    assert (len(train), len(validation)) == (64, 16)
    assert not set(train.ids.tolist()).isdisjoint(validation.ids.tolist())  # the leak, kept on purpose
    assert float(validation.images.max()) > 1  # copies among them
    train, validation = split(labeled, copies, PaperRecipe(copies_validate=False), seed=1)
    assert (len(train), len(validation)) == (64, 8)
    assert set(train.ids.tolist()).isdisjoint(validation.ids.tolist())
    assert float(validation.images.max()) <= 1
    assert torch.equal(split(labeled, None, PaperRecipe(), seed=1)[1].ids, validation.ids)


def test_each_restart_has_a_split_of_its_own_that_loses_no_image() -> None:
    labeled = stripes(21)
    sides = [split(labeled, None, PaperRecipe(), seed) for seed in (1, 2)]
    for train, validation in sides:
        assert sorted([*train.ids.tolist(), *validation.ids.tolist()]) == sorted(labeled.ids.tolist())
        assert len(validation) == 4
    assert sides[0][1].ids.tolist() != sides[1][1].ids.tolist()


def test_pseudo_labels_are_not_learned_from() -> None:
    weights = []
    for pseudo in (None, stripes(9, seed=5)):
        model = small()
        train_paper(model, stripes(12), PaperRecipe(restarts=1, epochs=2), seed=0, device=CPU, pseudo=pseudo)
        weights.append(model.weight)
    assert torch.equal(*weights)


def test_clear_errors() -> None:
    with pytest.raises(TrainingError, match="2 labeled images or more to split, got 1"):
        train_paper(small(), stripes(1), TINY, seed=0, device=CPU)
    with pytest.raises(TrainingError, match="give build"):
        train_paper(small(), stripes(9), TINY, seed=0, device=CPU)
    with pytest.raises(TrainingError, match="patience of 1 or more"):
        PaperRecipe(patience=0)
