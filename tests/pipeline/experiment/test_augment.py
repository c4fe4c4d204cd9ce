"""Arms that do something for rare classes: paired like all arms, named as typed, and nothing changes without them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pipeline.augmentation.filling import Filled, as_training
from pipeline.errors import DataError, ExperimentError, StrategyError
from pipeline.experiment import Arm, arms, check, plan
from pipeline.experiment.augmentations import Augment, parse_augment
from pipeline.experiment.keys import key_of
from pipeline.experiment.rare import rare_targets
from pipeline.experiment.recipes import augmented
from pipeline.training.labeled import LabeledImages
from pipeline.training.paper import PaperRecipe
from tests.pipeline.experiment.worlds import RECIPE, digits, run, settings, told

TINY = replace(RECIPE, least_steps=4, most_steps=4, window=2)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("none", Augment()),
        ("balanced", Augment(balance="sampling")),
        ("balanced+logit_adjustment", Augment(balance="logit_adjustment", decoupled=True)),
        ("balanced_softmax+copies", Augment(balance="balanced_softmax", copies=True)),
        ("gan+pool", Augment(maker="gan", pool=True)),
        ("logit_adjustment+translation", Augment(balance="logit_adjustment", maker="translation")),
    ],
)
def test_names_of_augmentations(name: str, asked: Augment) -> None:
    assert parse_augment(name) == asked


@pytest.mark.parametrize(
    "name",
    ["", "gna", "none+gan", "gan+gan", "pool", "translation+pool", "gan+translation",
     "logit_adjustment+balanced_softmax", "balanced+", "+gan"],
)  # fmt: skip
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(ExperimentError, match="expected"):
        parse_augment(name)


def test_each_strategy_with_each_augmentation_is_an_arm() -> None:
    wanted = settings("margin", "bald", augment=("none", "gan"), transfer=("lenet5", "vgg8"))
    assert [arm.name for arm in arms(wanted)] == [
        "margin", "margin, augment=gan", "bald", "bald, augment=gan", "margin to vgg8",
        "margin, augment=gan to vgg8", "bald to vgg8", "bald, augment=gan to vgg8",
    ]  # fmt: skip
    needs = {unit.arm.name: unit.needs for unit in plan(wanted)}
    assert needs["margin, augment=gan to vgg8"] == Arm("margin", augment="gan")


def test_without_augmentation_names_keys_and_records_are_as_ever() -> None:
    assert repr(Arm("dfal", "vgg8")) == "Arm(strategy='dfal', trains='vgg8')"
    assert key_of(Arm("dfal")) != key_of(Arm("dfal", augment="gan"))
    assert "augment" not in settings("margin").plain()
    assert settings("margin", augment=("none", "copies")).plain()["augment"] == ("none", "copies")


def test_an_augmentation_comes_once() -> None:
    with pytest.raises(DataError, match="augment, each once"):
        settings("margin", augment=("gan", "gan"))


def test_what_cannot_be_is_found_before_any_work() -> None:
    check(settings("margin", augment=("none", "balanced", "copies")), digits())
    with pytest.raises(ExperimentError, match="'none' or some of"):
        check(settings("margin", augment=("gna",)), digits())
    with pytest.raises(ExperimentError, match="paper's protocol"):
        check(settings("margin", augment=("balanced",), protocol="paper"), digits())
    with pytest.raises((ExperimentError, StrategyError), match="without copies"):
        check(settings("dfal", augment=("copies",)), digits())
    with pytest.raises(ExperimentError, match="balance classes"):
        augmented(PaperRecipe(), Augment(balance="sampling"))


def test_arms_of_a_seed_share_their_first_labels_and_train_differently() -> None:
    wanted = settings("margin", augment=("none", "balanced"), labels=20, seeds=(0,))
    (plain,), (balanced,) = (run(arm, wanted, recipe=TINY).values() for arm in arms(wanted))
    assert plain[0].queried == balanced[0].queried
    assert plain[0].class_recall != balanced[0].class_recall
    assert 0 <= plain[0].figures["calibration_error"] <= 1


def test_copies_are_those_of_the_strategy() -> None:
    wanted = settings("margin", augment=("copies",), labels=20, seeds=(0,))
    typed = settings("margin+copies", labels=20, seeds=(0,))
    mine, theirs = run(arms(wanted)[0], wanted, recipe=TINY), run("margin+copies", typed, recipe=TINY)
    assert told(mine) == told(theirs)


def test_what_makes_images_says_what_the_gate_said(tmp_path) -> None:
    wanted = settings("random_sampling", augment=("none", "gan"), seed_labels=22, labels=22, seeds=(0,), imbalance=4.0)
    plain, made = (run(arm, wanted, recipe=TINY, folder=tmp_path)[0] for arm in arms(wanted))
    figures = made[0].figures
    refused = [name for name, value in figures.items() if name.startswith("gate, ") and "refused" in str(value)]
    assert figures["gate_refused"] == len(refused) > 0
    assert figures["synthetic_trained"] == 0
    assert "gate_refused" not in plain[0].figures
    assert made[0].class_recall == plain[0].class_recall  # refused images change nothing


def test_only_what_the_gate_let_in_trains() -> None:
    images = torch.zeros(4, 1, 16, 16, dtype=torch.uint8)
    filled = [
        Filled(target=1, images=images, weight=0.3, reason="helps"),
        Filled(target=2, images=images, weight=0.0, reason="does not"),
        Filled(target=3, images=images[:0], weight=0.0, reason="nothing was made"),
    ]
    gated, all_of_them = as_training(filled), as_training(filled, gated=False)
    assert gated is not None
    assert all_of_them is not None
    assert gated.targets.tolist() == [1] * 4
    assert all_of_them.targets.tolist() == [1] * 4 + [2] * 4
    assert len(set(all_of_them.ids.tolist())) == 8
    assert int(all_of_them.ids.max()) < 0
    assert as_training(filled[1:]) is None


def test_a_class_is_rare_below_half_of_the_mean() -> None:
    counts = [40, 40, 19, 0, 41]
    targets = torch.arange(5).repeat_interleave(torch.tensor(counts))
    labeled = LabeledImages(torch.zeros(len(targets), 1, 4, 4, dtype=torch.uint8), targets, torch.arange(len(targets)))
    assert rare_targets(labeled, 5) == []
    assert rare_targets(labeled.take(labeled.targets != 2), 5) == []
    some = labeled.take(torch.cat([torch.arange(40 + 40 + 5), torch.arange(99, 140)]))
    assert rare_targets(some, 5) == [2]
