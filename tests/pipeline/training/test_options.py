"""Every option of the recipe in a training: the same bits after a kill, in both trainers, and none when it is off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from pipeline.errors import TrainingError
from pipeline.models.base import Classifier
from pipeline.models.registry import build_model
from pipeline.randomness import derive_seed
from pipeline.training.batched import Lesson, train_batched
from pipeline.training.dispatch import train_by
from pipeline.training.labeled import LabeledImages
from pipeline.training.order import Order
from pipeline.training.paper import PaperRecipe, train_paper
from pipeline.training.recipes import RECIPES, SupervisedRecipe
from pipeline.training.schedule import Schedule
from pipeline.training.supervised import train
from tests.pipeline.toys import CPU, QUICK, Linear, stripes

RECIPE = replace(QUICK, least_steps=12, most_steps=12, window=4, batch_size=8, patience=0)
OPTIONS: list[dict[str, Any]] = [
    {"balance": "sampling"},
    {"balance": "logit_adjustment"},
    {"balance": "balanced_softmax"},
    {"balance": "auto"},
    {"mixing": "mixup"},
    {"mixing": "cutmix"},
    {"decoupled": True},
    {"balance": "sampling", "mixing": "cutmix", "decoupled": True},
]
State = dict[str, torch.Tensor]


class Stop(Exception):
    """What a test throws in the middle of a training."""


def network(name: str = "lenet5") -> Classifier:
    return build_model(name, classes=4, channels=1, image_size=16, seed=1)


def uneven() -> LabeledImages:
    images = stripes(60)
    some = [torch.nonzero(images.targets == place).flatten()[:count] for place, count in enumerate((12, 9, 6, 2))]
    return images.take(torch.cat(some))


def synthetic(count: int = 6, weight: float | None = 0.4) -> LabeledImages:
    made = stripes(count, seed=4)
    weights = None if weight is None else torch.full((count,), weight)
    return LabeledImages(made.images, made.targets, -1 - torch.arange(count), weights)


def unweighted(images: LabeledImages) -> LabeledImages:
    return LabeledImages(images.images, images.targets, images.ids)


def copies(labeled: LabeledImages) -> LabeledImages:
    return LabeledImages(labeled.images[:5].float() / 255, labeled.targets[:5], labeled.ids[:5])


def run(recipe: SupervisedRecipe = RECIPE, name: str = "lenet5", stop: int | None = None, **given: Any) -> State:
    def progress(done: int, total: int, text: str) -> None:
        if done == stop:
            raise Stop

    model = network(name)
    arguments = {"labeled": uneven(), "checkpoint_seconds": 0.0, **given}
    train(model, arguments.pop("labeled"), recipe, seed=3, device=CPU, on_progress=progress, **arguments)
    return model.state_dict()


def same(first: State, second: State) -> bool:
    return all(torch.equal(first[key], second[key]) for key in first)


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.training.supervised._TELL_EVERY", 1)


@pytest.mark.parametrize("option", OPTIONS, ids=repr)
def test_an_option_changes_the_training_and_a_kill_does_not(
    option: dict[str, Any], tmp_path: Path, every_step: None
) -> None:
    recipe, path = replace(RECIPE, **option), tmp_path / "run.safetensors"
    name = "convnet" if len(option) > 1 else "lenet5"  # one with BatchNorm
    given = {"synthetic": synthetic(), "validation": stripes(9, seed=5)}
    unbroken = run(recipe, name, **given)
    assert not same(unbroken, run(RECIPE, name, **given))
    with pytest.raises(Stop):
        run(recipe, name, stop=7, checkpoint=path, **given)
    assert same(unbroken, run(recipe, name, checkpoint=path, **given))
    assert same(unbroken, run(recipe, name, checkpoint=path, **given))  # after its end


@pytest.mark.parametrize("option", OPTIONS, ids=repr)
def test_both_trainers_do_the_same(option: dict[str, Any]) -> None:
    recipe, labeled = replace(RECIPE, **option), uneven()
    extra = {"copies": copies(labeled), "pseudo": stripes(9, seed=8), "synthetic": synthetic()}
    even = stripes(16, seed=9)  # 'auto' does nothing for this one, so a batch has both kinds
    plain, batched = ([network().double() for _ in range(2)] for _ in range(2))
    train(plain[0], labeled, recipe, seed=0, device=CPU, **extra)
    train(plain[1], even, recipe, seed=1, device=CPU)
    lessons = [
        Lesson(model=batched[0], labeled=labeled, seed=0, **extra),
        Lesson(model=batched[1], labeled=even, seed=1),
    ]
    train_batched(lessons, recipe, device=CPU)
    for one, other in zip(plain, batched, strict=True):
        for name, value in one.state_dict().items():
            assert torch.allclose(value, other.state_dict()[name], atol=1e-6), name  # MixUp's share is a float32


def test_without_options_the_steps_are_what_they_were() -> None:
    """A plain loop as it was before there were any: order, loss and Adam by hand."""
    labeled, recipe, model = uneven(), replace(RECIPE, augmentation="none", warmup=0.0), network().double()
    train(model, labeled, recipe, seed=3, device=CPU)
    other, order = network().double().train(), Order(3, "labeled", len(labeled))
    groups = [[p for p in other.parameters() if (p.ndim > 1) == big] for big in (True, False)]
    optimizer = torch.optim.AdamW(
        [{"params": own, "weight_decay": decay} for own, decay in zip(groups, (recipe.weight_decay, 0.0), strict=True)],
        fused=True,
    )
    schedule = Schedule(recipe, 12)
    with torch.random.fork_rng(devices=[]):
        for step in range(12):
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate(step)
            torch.manual_seed(derive_seed(3, "dropout", step))
            which = order.take(8 * step, 8 * step + 8)
            loss = functional.cross_entropy(
                other((labeled.images[which].float() / 255).double()), labeled.targets[which]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert same(model.state_dict(), other.state_dict())


def test_what_is_off_leaves_no_trace() -> None:
    plain = run()
    even = LabeledImages(stripes(20).images, torch.arange(20) % 4, torch.arange(20))
    assert same(run(labeled=even), run(replace(RECIPE, balance="auto"), labeled=even))
    assert same(plain, run(synthetic=stripes(0)))
    assert repr(RECIPES["quick"]).endswith("precision='auto')")  # as recorded before there were these options
    assert repr(replace(RECIPE, balance="auto")).endswith("precision='auto', balance='auto')")


def test_weights_and_synthetic_images_are_part_of_what_a_checkpoint_is_of(tmp_path: Path, every_step: None) -> None:
    path = tmp_path / "run.safetensors"
    with pytest.raises(Stop):
        run(stop=7, checkpoint=path, synthetic=synthetic())
    for others in (synthetic(weight=0.5), synthetic(weight=None), synthetic(5), None):
        assert same(run(synthetic=others), run(synthetic=others, checkpoint=path))
        with pytest.raises(Stop):
            run(stop=7, checkpoint=path, synthetic=synthetic())


def test_an_image_of_weight_two_counts_like_two() -> None:
    model = Linear(torch.zeros(4, 256, dtype=torch.float64), torch.zeros(4, dtype=torch.float64))
    twice = Linear(torch.zeros(4, 256, dtype=torch.float64), torch.zeros(4, dtype=torch.float64))
    labeled = uneven().take(torch.arange(8))
    recipe = replace(RECIPE, augmentation="none", optimizer="adamw", least_steps=1, most_steps=1)
    weighted = LabeledImages(labeled.images, labeled.targets, labeled.ids, torch.tensor([2.0] + [1.0] * 7))
    train(model, weighted, recipe, seed=0, device=CPU)
    again = torch.cat([torch.arange(8), torch.tensor([0])])
    doubled = LabeledImages(labeled.images[again], labeled.targets[again], torch.arange(9))
    train(twice, doubled, replace(recipe, batch_size=9), seed=0, device=CPU)
    assert torch.allclose(model.weight, twice.weight)


def test_synthetic_images_do_not_lengthen_the_training() -> None:
    model = network()
    report = train(
        model, uneven(), replace(RECIPE, epochs=20, most_steps=900), synthetic=synthetic(60), seed=0, device=CPU
    )
    assert report.steps == 80  # 20 epochs of 29 images in batches of 8
    assert report.epochs == pytest.approx(80 * 8 / 89, abs=0.01)


def test_a_new_head_reads_the_features_that_were_there() -> None:
    whole, model = network("convnet"), network("convnet")
    train(whole, uneven(), RECIPE, seed=3, device=CPU)
    train(model, uneven(), replace(RECIPE, decoupled=True), seed=3, device=CPU)
    images = stripes(5).images.float() / 255
    assert torch.equal(whole.features(images), model.features(images))
    assert not torch.allclose(whole(images), model(images))
    assert not model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


def test_a_balanced_training_finds_more_of_the_rare_class() -> None:
    test, labeled = stripes(300, seed=50), stripes(200, seed=1)
    rare = torch.nonzero(labeled.targets == 1).flatten()
    labeled = labeled.take(torch.cat([torch.nonzero(labeled.targets != 1).flatten(), rare[:2]]))
    recipe = replace(RECIPE, least_steps=80, most_steps=80, batch_size=16)

    def recall(**option: Any) -> float:
        model = network("convnet")
        train(model, labeled, replace(recipe, **option), seed=0, device=CPU)
        with torch.inference_mode():
            predicted = model(test.images.float() / 255).argmax(dim=1)
        return float((predicted[test.targets == 1] == 1).double().mean())

    plain = recall()
    for option in ({"balance": "sampling"}, {"balance": "auto"}, {"decoupled": True}):
        assert recall(**option) > plain + 0.1, option


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"synthetic": stripes(4, seed=4)}, "expected negative ids of synthetic images"),
        ({"synthetic": synthetic().take(torch.tensor([0, 1, 1]))}, "got an id twice"),
        (
            {"synthetic": synthetic(), "validation": unweighted(synthetic(2))},
            "no synthetic image among the validation ones",
        ),
        ({"synthetic": synthetic(), "labeled": synthetic()}, "no synthetic image among the labeled ones"),
        ({"synthetic": LabeledImages(torch.zeros(1, 1, 8, 8), torch.zeros(1).long(), torch.tensor([-1]))}, "of shape"),
        ({"synthetic": LabeledImages(torch.zeros(1, 1, 16, 16), torch.tensor([7]), torch.tensor([-1]))}, "exclusive"),
        ({"pseudo": synthetic()}, "weights on labeled and synthetic images alone"),
    ],
)
def test_clear_errors(given: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        run(**given)


def test_recipes_and_models_that_cannot_say_so() -> None:
    with pytest.raises(TrainingError, match="expected balance out of none, sampling"):
        SupervisedRecipe(balance="some")
    with pytest.raises(TrainingError, match="expected mixing out of none, mixup, cutmix"):
        SupervisedRecipe(mixing="some")
    plain = Linear(torch.zeros(4, 256), torch.zeros(4))
    with pytest.raises(TrainingError, match="features\\(\\) and head\\(\\)"):
        train(plain, uneven(), replace(RECIPE, decoupled=True), seed=0, device=CPU)
    with pytest.raises(TrainingError, match="no synthetic images for the paper's recipe"):
        train_by(PaperRecipe(), network(), uneven(), seed=0, device=CPU, synthetic=synthetic())
    weighted = replace(uneven(), weights=torch.ones(29))
    with pytest.raises(TrainingError, match="without weights"):
        train_paper(network(), weighted, seed=0, device=CPU)
