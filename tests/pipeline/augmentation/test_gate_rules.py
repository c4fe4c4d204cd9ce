"""The deciding rule by figures worked out by hand, the split of the gate, and a sentence for each refusal."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pipeline.augmentation.gate.apart import set_aside
from pipeline.augmentation.gate.bounds import GateBounds
from pipeline.augmentation.gate.checks import bounded, class_recall, label_agreement
from pipeline.augmentation.gate.paired import as_synthetic, summarize
from pipeline.augmentation.gate.words import _SENTENCES, refusal, refusal_by_test
from pipeline.augmentation.records import Check, PairedTest
from pipeline.errors import DataError
from tests.pipeline.toys import stripes

BOUNDS = GateBounds()
HELPS = PairedTest(
    seeds=3, recall_without=0.5, recall_with=0.6, difference=0.1, standard_error=0.05, balanced_difference=0.01
)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, None),
        ({"difference": 0.05}, "more than 5.0 points"),  # exactly one standard error is no gain
        ({"difference": 0.0, "standard_error": 0.0}, "does not help"),
        ({"difference": -0.1}, "change of -10.0 points"),
        ({"difference": 0.1, "standard_error": 0.0}, None),
        ({"balanced_difference": 0.0}, None),
        ({"balanced_difference": -0.001}, "harms the other classes"),
        ({"difference": float("nan")}, "does not help"),
        ({"balanced_difference": float("nan")}, "harms"),
    ],
)
def test_the_deciding_rule(changed: dict[str, float], words: str | None) -> None:
    said = refusal_by_test(replace(HELPS, **changed), BOUNDS)
    assert (said is None) == (words is None)
    assert words is None or words in (said or "")


def test_figures_of_the_paired_test() -> None:
    """Two pairs, four images of class 1 and two of class 0; one of class 1 is won in both pairs, one in the second."""
    targets = torch.tensor([1, 1, 1, 1, 0, 0])
    without = torch.tensor([1, 0, 0, 0, 1, 1]).bool()
    first, second = torch.tensor([1, 1, 0, 0, 1, 0]).bool(), torch.tensor([1, 1, 1, 0, 1, 1]).bool()
    found = summarize(torch.stack([torch.stack([without, first]), torch.stack([without, second])]), targets, 1)
    assert (found.recall_without, found.recall_with, found.difference) == (0.25, 0.625, 0.375)
    over_pairs = 0.125  # of 0.25 and 0.5
    over_images = float(torch.tensor([0.0, 1.0, 0.5, 0.0]).std()) / 2
    assert found.standard_error == pytest.approx(max(over_pairs, over_images))
    assert found.balanced_difference == pytest.approx(((0.25 - 0.5) / 2 + 0.5 / 2) / 2)


def test_one_lucky_image_is_no_gain() -> None:
    """Seeds that agree on one of six images have no spread; the six images have."""
    right = torch.zeros(3, 2, 6, dtype=torch.bool)
    right[:, 1, 0] = True
    found = summarize(right, torch.ones(6, dtype=torch.int64), 1)
    assert found.difference == pytest.approx(1 / 6) == pytest.approx(found.standard_error)
    assert "does not help" in (refusal_by_test(found, BOUNDS) or "")


def test_synthetic_images_meet_no_sample() -> None:
    images = as_synthetic(2, torch.zeros(3, 1, 8, 8, dtype=torch.uint8), 0.3)
    assert images.ids.tolist() == [-1, -2, -3]
    assert images.targets.tolist() == [2, 2, 2]
    assert images.weights is not None
    assert images.weights.tolist() == pytest.approx([0.3] * 3)


def agreement(of_made: float, of_real: float, count: int = 100) -> Check:
    marks = [torch.arange(count) < round(share * count) for share in (of_made, of_real)]
    return label_agreement(*marks, BOUNDS)


def test_label_agreement() -> None:
    assert agreement(0.8, 1.0).passed
    assert not agreement(0.79, 1.0).passed
    assert agreement(0.66, 0.7).passed
    assert not agreement(0.55, 0.7).passed
    weak = agreement(0.4, 0.3)
    assert not weak.passed
    assert weak.low == 0.5
    assert "knows too little of this class" in refusal(weak)


def test_class_recall_beside_the_common_classes() -> None:
    """Class 2 is rare, too, and does not make the reference."""
    labels = torch.tensor([0] * 40 + [1] * 40 + [2] * 5 + [3] * 5)
    recalls = {0: 1.0, 1: 0.8, 2: 0.1, 3: 0.85}
    found = class_recall(3, recalls, labels, BOUNDS)
    assert found.reference == pytest.approx(0.9)
    assert found.high == pytest.approx(0.855)
    assert found.passed
    assert not class_recall(3, {**recalls, 3: 0.856}, labels, BOUNDS).passed
    assert class_recall(3, {3: 1.0}, labels, BOUNDS).passed  # nothing to compare with


def test_what_is_not_a_number_passes_no_bound() -> None:
    assert not bounded(Check(name="density", value=float("nan"), low=0.5)).passed
    assert not bounded(Check(name="density", value=float("nan"), high=0.5)).passed
    assert bounded(Check(name="fid", value=3.0)).passed


@pytest.mark.parametrize("name", sorted(_SENTENCES))
def test_a_plain_sentence_for_each_refusal(name: str) -> None:
    said = refusal(Check(name=name, value=0.25, reference=0.75, low=0.5, high=0.5, passed=False))
    assert said[0].isupper()
    assert said.endswith(".")
    assert "_" not in said
    assert any(figure in said for figure in ("25 %", "0.2", " 0 "))


def test_set_aside_is_stratified_and_goes_by_sample() -> None:
    labeled = stripes(200)
    learned, aside = set_aside(labeled, seed=0)
    for target in range(4):
        count = int((labeled.targets == target).sum())
        assert int((aside.targets == target).sum()) == round(count / 4)
    assert sorted([*learned.ids.tolist(), *aside.ids.tolist()]) == sorted(labeled.ids.tolist())
    turned = set_aside(labeled.take(torch.arange(199, -1, -1)), seed=0)[1]
    assert set(turned.ids.tolist()) == set(aside.ids.tolist())
    assert set(set_aside(labeled, seed=1)[1].ids.tolist()) != set(aside.ids.tolist())
    assert len(set_aside(labeled.take(torch.tensor([0])), seed=0)[0]) == 1  # the only one of a class learns
    with pytest.raises(DataError, match="share"):
        set_aside(labeled, seed=0, share=1.0)
