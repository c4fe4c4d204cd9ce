"""Pseudo-labels really train, help when they are right, and never take more than their share."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch

from pipeline.errors import TrainingError
from pipeline.models.registry import build_model
from pipeline.training.labeled import LabeledImages
from pipeline.training.mixture import mix
from pipeline.training.recipes import SupervisedRecipe
from pipeline.training.supervised import train
from tests.pipeline.toys import CPU, QUICK, stripes
from tests.pipeline.training.test_supervised import RECIPE, Stop, copies_of, run, same


def accuracy(pseudo: LabeledImages | None, seed: int) -> float:
    model = build_model("convnet", classes=4, channels=1, image_size=16, seed=seed)
    recipe = replace(QUICK, least_steps=150, most_steps=150)
    train(model, stripes(8, seed=seed), recipe, seed=seed, device=CPU, pseudo=pseudo)
    new = stripes(300, seed=77)
    return float((model(new.images.float() / 255).argmax(dim=1) == new.targets).double().mean())


def test_they_help_when_right_and_harm_when_wrong() -> None:
    right = stripes(200, seed=5)
    wrong = replace(right, targets=(right.targets + 1) % 4)
    alone, helped, harmed = (sum(accuracy(pseudo, seed) for seed in (0, 1)) / 2 for pseudo in (None, right, wrong))
    assert helped > alone + 0.1
    assert harmed < alone


@pytest.mark.parametrize("name", ["lenet5", "convnet"])
def test_images_and_classes_of_pseudo_labels_change_the_weights(name: str) -> None:
    pseudo = stripes(10, seed=5)
    plain, with_pseudo = run(name), run(name, pseudo=pseudo)
    assert not same(plain, with_pseudo)
    assert same(with_pseudo, run(name, pseudo=pseudo))
    assert not same(with_pseudo, run(name, pseudo=replace(pseudo, targets=(pseudo.targets + 1) % 4)))
    assert not same(with_pseudo, run(name, pseudo=replace(pseudo, images=255 - pseudo.images)))
    assert same(plain, run(name, pseudo=stripes(0, seed=5)))
    assert same(plain, run(name, recipe=replace(RECIPE, pseudo_share=0.0), pseudo=pseudo))


def test_the_labeled_images_alone_set_the_steps() -> None:
    recipe = SupervisedRecipe(epochs=1, batch_size=8, least_steps=1, most_steps=500, window=5)
    labeled = stripes(40)
    for pseudo in (None, stripes(400, seed=5)):
        model = build_model("lenet5", classes=4, channels=1, image_size=16, seed=1)
        assert train(model, labeled, recipe, seed=0, device=CPU, pseudo=pseudo).steps == 5


def test_a_batch_is_at_least_half_labeled_images() -> None:
    labeled, pseudo, seen = stripes(20), stripes(500, seed=5), []
    model = build_model("lenet5", classes=4, channels=1, image_size=16, seed=1)
    recipe = replace(RECIPE, augmentation="none", batch_size=16)
    with model.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0])):
        train(model, labeled, recipe, seed=3, device=CPU, copies=copies_of(labeled, 15), pseudo=pseudo)
    ours = {image.numpy().tobytes() for image in labeled.images.float() / 255}
    theirs = {image.numpy().tobytes() for image in pseudo.images.float() / 255}
    batches = [[image.numpy().tobytes() for image in batch] for batch in seen]
    assert {len(batch) for batch in batches} == {16}
    assert all(sum(image in ours for image in batch) == 8 for batch in batches)
    assert all(1 <= sum(image in theirs for image in batch) <= 8 for batch in batches)


@pytest.mark.parametrize("size", [2, 3, 4, 8, 32, 50])
def test_shares_never_come_to_more_than_half(size: int) -> None:
    recipe = SupervisedRecipe(batch_size=size, most_steps=9000)
    for labeled, copies, pseudo in product((1, 20, 5000), (0, 1, 300), (0, 1, 10_000)):
        if size < 4 and copies and pseudo:
            with pytest.raises(TrainingError, match="raise batch_size"):
                mix(recipe, labeled, copies, pseudo)
            continue
        found = mix(recipe, labeled, copies, pseudo)
        assert found.labeled + found.copies + found.pseudo == size
        assert found.labeled >= size / 2
        assert found.copies_weight + found.pseudo_weight <= 0.5 + 1e-12
        assert (found.copies > 0) == (found.copies_weight > 0) == (copies > 0)
        assert (found.pseudo > 0) == (found.pseudo_weight > 0) == (pseudo > 0)


def test_a_resumed_training_with_pseudo_labels_equals_an_unbroken_one(tmp_path: Path) -> None:
    labeled, pseudo = stripes(20), stripes(30, seed=5)
    options: dict[str, object] = {"labeled": labeled, "copies": copies_of(labeled, 6), "pseudo": pseudo}
    path = tmp_path / "run.safetensors"
    with pytest.raises(Stop):
        run("convnet", path, stop=20, **options)
    assert same(run("convnet", **options), run("convnet", path, **options))


def test_a_checkpoint_with_other_pseudo_labels_is_not_taken_up(tmp_path: Path) -> None:
    pseudo = stripes(30, seed=5)
    for other in (None, replace(pseudo, targets=(pseudo.targets + 1) % 4)):
        path = tmp_path / "run.safetensors"
        with pytest.raises(Stop):
            run("lenet5", path, stop=20, pseudo=pseudo)
        assert same(run("lenet5", pseudo=other), run("lenet5", path, pseudo=other))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pseudo": stripes(2)}, "expected pseudo-labels of images without a label, got one of sample 5"),
        ({"pseudo": stripes(5, seed=5), "validation": stripes(9, seed=5)}, "no pseudo-label of a validation image"),
        ({"pseudo": replace(stripes(2, seed=5), targets=torch.tensor([0, 4]))}, "expected pseudo-labeled classes from"),
    ],
)
def test_pseudo_labels_that_do_not_belong(options: dict[str, object], words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        run("lenet5", **options)


@pytest.mark.parametrize("share", [-0.1, 0.6])
def test_a_share_that_cannot_be(share: float) -> None:
    with pytest.raises(TrainingError, match=r"expected pseudo_share in \[0, 0.5\]"):
        SupervisedRecipe(pseudo_share=share)
