from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from pipeline.errors import TrainingError
from pipeline.models.registry import build_model
from pipeline.training.batched import Lesson, batches_on, can_batch, train_batched, train_together
from pipeline.training.labeled import LabeledImages, TrainingReport
from pipeline.training.paper import PaperRecipe
from pipeline.training.recipes import SupervisedRecipe
from pipeline.training.stacked import StackedAdam, bias_corrections
from pipeline.training.supervised import train
from tests.pipeline.toys import CPU, stripes, trained

RECIPE = SupervisedRecipe(least_steps=20, most_steps=20, batch_size=8, window=6)
DOUBLE = 1e-9  # largest difference of a weight from the plain trainer's, in float64
SINGLE = 1e-3  # in float32: Adam magnifies rounding where a gradient is almost nothing


def copies_of(labeled: LabeledImages, count: int) -> LabeledImages:
    noise = torch.rand(count, *labeled.images.shape[1:], generator=torch.Generator().manual_seed(8)) * 1.2
    return LabeledImages(noise, labeled.targets[:count], labeled.ids[:count])


def network(name: str, seed: int, *, dtype: torch.dtype = torch.float64, dropout: bool = True) -> nn.Module:
    model = build_model(name, classes=4, channels=1, image_size=16, seed=seed).to(dtype)
    for layer in model.modules() if not dropout else ():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return model


def lessons(name: str = "lenet5", extras: str = "", count: int = 3, **how: object) -> list[Lesson]:
    made = []
    for seed in range(count):
        labeled = stripes(20, seed=seed)
        copies = copies_of(labeled, 6 + seed) if "copies" in extras else None
        pseudo = stripes(9, seed=seed + 50) if "pseudo" in extras else None
        model = network(name, seed, **how)
        made.append(Lesson(model=model, labeled=labeled, seed=seed + 7, copies=copies, pseudo=pseudo))
    return made


def plainly(given: list[Lesson], recipe: SupervisedRecipe) -> list[TrainingReport]:
    return [
        train(one.model, one.labeled, recipe, seed=one.seed, device=CPU, copies=one.copies, pseudo=one.pseudo)
        for one in given
    ]


def furthest(first: list[Lesson], second: list[Lesson]) -> float:
    pairs = [(one.model.parameters(), other.model.parameters()) for one, other in zip(first, second, strict=True)]
    return max(float((a - b).detach().abs().max()) for both in pairs for a, b in zip(*both, strict=True))


def compare(recipe: SupervisedRecipe, tolerance: float, **how: object) -> list[TrainingReport]:
    """Train both ways, and return the batched reports."""
    plain, batched = lessons(**how), lessons(**how)
    expected, got = plainly(plain, recipe), train_batched(batched, recipe, device=CPU)
    assert furthest(plain, batched) < tolerance
    assert furthest(lessons(**how), batched) > 10 * tolerance
    for report, reference in zip(got, expected, strict=True):
        assert report.train_loss == pytest.approx(reference.train_loss, abs=tolerance)
        assert replace(report, seconds=0, train_loss=0) == replace(reference, seconds=0, train_loss=0)
    return got


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("extras", ["", "copies", "pseudo", "copies and pseudo"])
def test_lenet5_is_trained_as_by_the_plain_trainer(extras: str, dropout: bool) -> None:
    compare(RECIPE, DOUBLE, extras=extras, dropout=dropout)


def test_and_in_float32_within_rounding() -> None:
    compare(RECIPE, SINGLE, extras="copies", dtype=torch.float32)


def test_vgg8_is_trained_as_by_the_plain_trainer() -> None:
    compare(replace(RECIPE, least_steps=3, most_steps=3), DOUBLE, name="vgg8", count=2)


@pytest.mark.parametrize(
    "change",
    [{"optimizer": "adam", "weight_decay": 0.1}, {"augmentation": "none"}, {"label_smoothing": 0.2},
     {"augmentation": "photo"}],
)  # fmt: skip
def test_every_part_of_a_recipe_counts(change: dict[str, object]) -> None:
    compare(replace(RECIPE, **change), DOUBLE)


def test_networks_stop_early_each_on_its_own() -> None:
    recipe = replace(RECIPE, least_steps=60, most_steps=60, window=5, patience=1, learning_rate=5e-3)
    steps = [report.steps for report in compare(recipe, DOUBLE, dropout=False)]
    assert min(steps) < 60
    assert len(set(steps)) > 1


def test_numbers_of_labels_may_differ() -> None:
    recipe = replace(RECIPE, epochs=3, least_steps=2, most_steps=50)

    def uneven() -> list[Lesson]:
        return [replace(one, labeled=stripes(14 + 9 * place)) for place, one in enumerate(lessons())]

    plain, batched = uneven(), uneven()
    expected, got = plainly(plain, recipe), train_batched(batched, recipe, device=CPU)
    assert furthest(plain, batched) < DOUBLE
    assert [report.steps for report in got] == [report.steps for report in expected] == [6, 9, 12]


def test_a_network_does_not_know_with_whom_it_is_batched() -> None:
    together, alone = lessons(extras="copies"), lessons(extras="copies")
    train_batched(together, RECIPE, device=CPU)
    train_batched(alone[1:2], RECIPE, device=CPU)
    assert furthest(together[1:2], alone[1:2]) < DOUBLE


def test_models_are_left_ready_and_the_global_state_alone() -> None:
    before = torch.random.get_rng_state()
    given, told = lessons(), []
    reports = train_batched(given, RECIPE, device=CPU, on_progress=lambda *line: told.append(line))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert told == [(20, 20, "training 3 networks")]
    assert not any(one.model.training for one in given)
    assert all(parameter.grad is None for one in given for parameter in one.model.parameters())
    assert len({report.seconds for report in reports}) == 1
    assert train_batched([], RECIPE, device=CPU) == []


def test_what_cannot_be_stacked() -> None:
    assert can_batch(trained("lenet5"))
    assert not can_batch(trained("convnet"))  # BatchNorm
    frozen = network("lenet5", 0)
    next(frozen.parameters()).requires_grad_(False)
    assert not can_batch(frozen)

    class Branches(type(network("lenet5", 0))):
        def features(self, images: torch.Tensor) -> torch.Tensor:
            return super().features(images if images.sum() > 0 else -images)

    assert not can_batch(Branches(trained("lenet5").architecture))
    assert not can_batch(nn.Linear(3, 3))


def test_a_model_is_as_it_was_after_the_question() -> None:
    model = network("lenet5", 0).train()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    state = torch.random.get_rng_state()
    assert can_batch(model)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(one, other) for one, other in zip(before, model.parameters(), strict=True))
    assert model.training


def test_clear_errors() -> None:
    one, other, _ = lessons()
    with pytest.raises(TrainingError, match="got one twice"):
        train_batched([one, replace(other, model=one.model)], RECIPE, device=CPU)
    with pytest.raises(TrainingError, match="one architecture, got several"):
        train_batched([one, replace(other, model=network("vgg8", 0))], RECIPE, device=CPU)
    convnets = [replace(given, model=network("convnet", 0, dtype=torch.float32)) for given in (one, other)]
    with pytest.raises(TrainingError, match="got ConvNet with BatchNorm"):
        train_batched(convnets, RECIPE, device=CPU)
    with pytest.raises(TrainingError, match="got none; label some first"):
        train_batched([replace(one, labeled=stripes(0))], RECIPE, device=CPU)
    with torch.no_grad():
        next(other.model.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match="finite training loss, got nan before step 6"):
        train_batched([one, other], RECIPE, device=CPU)


def test_on_a_cpu_one_after_the_other() -> None:
    given, expected = lessons("convnet", count=2, dtype=torch.float32), lessons("convnet", count=2, dtype=torch.float32)
    assert not batches_on(CPU, given)
    places = [place for place, _ in train_together(given, RECIPE, device=CPU)]
    plainly(expected, RECIPE)
    assert places == [0, 1]
    assert furthest(given, expected) == 0
    reports = dict(train_together(given, PaperRecipe(restarts=1, epochs=1), device=CPU))
    assert reports[0].epochs == 1


def test_the_stacked_optimizer_is_torchs_with_a_rate_for_each_network() -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    slopes = torch.randn(5, 2, 3, 4, generator=generator, dtype=torch.float64)
    stack, recipe = start.clone(), SupervisedRecipe(weight_decay=0.1)
    optimizer = StackedAdam([stack], recipe)
    for step, slope in enumerate(slopes):
        one, two = bias_corrections(step)
        factors = torch.tensor([[0.01, 0.2], [one, one], [two, two]], dtype=torch.float64)
        optimizer.step([stack], [slope], factors)
    for place, rate in enumerate((0.01, 0.2)):
        single = start[place].clone().requires_grad_()
        reference = torch.optim.AdamW([single], lr=rate, weight_decay=0.1)
        for slope in slopes:
            single.grad = slope[place].clone()
            reference.step()
        assert torch.allclose(single, stack[place], atol=1e-12)
