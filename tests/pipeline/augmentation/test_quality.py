"""The gate on real digits: every known way to fail is refused for its own reason, and real images pass."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pipeline.augmentation.quality import Gate, GateBounds, judge, set_aside
from pipeline.augmentation.records import Check, Decision
from pipeline.errors import DataError
from pipeline.training.labeled import LabeledImages
from tests.pipeline.augmentation.digits import CLASSES, PLAN, RARE, Uneven, uneven
from tests.pipeline.toys import CPU

REAL, MADE = 25, 50


@pytest.fixture(scope="module")
def digits() -> Uneven:
    return uneven(REAL)


@pytest.fixture(scope="module")
def gate(digits: Uneven) -> Gate:
    """Its trainings on real images are done once for the module."""
    return open_gate(digits)


def open_gate(digits: Uneven, seed: int = 0) -> Gate:
    return Gate(labeled=digits.labeled, held_out=digits.held_out, classes=CLASSES, train=PLAN, seed=seed, device=CPU)


def known(digits: Uneven) -> Tensor:
    return digits.labeled.images[digits.labeled.targets == RARE]


def noisy(images: Tensor, strength: float) -> Tensor:
    noise = torch.randn(MADE, *images.shape[1:], generator=torch.Generator().manual_seed(5))
    return (images[torch.arange(MADE) % len(images)] + strength * noise).clamp(0, 255).round().byte()


def refused(decision: Decision, by: str) -> Check:
    """The last check is the one that refused, and the sentence has its figures."""
    assert (decision.verdict, decision.weight, decision.test) == ("refused", 0.0, None), decision
    last = decision.checks[-1]
    assert (last.name, last.passed) == (by, False), decision.reason
    assert all(check.passed for check in decision.checks[:-1])
    return last


def test_real_images_pass(gate: Gate, digits: Uneven) -> None:
    """Images that nothing has seen, as a perfect generator would make them."""
    decision = gate.judge(RARE, digits.others[RARE][:MADE])
    assert (decision.verdict, decision.weight) == ("accepted", 0.3), decision.reason
    assert (decision.real, decision.made, decision.set_aside) == (REAL, MADE, 0)
    assert all(check.passed for check in decision.checks)
    told = {check.name: check for check in decision.checks}
    assert {"fid", "kid", "domain_auc", "coverage", "copied_share"} <= set(told)
    assert told["fid"].low is None
    assert told["fid"].high is None
    assert told["fid"].reference is not None
    assert decision.test is not None
    assert decision.test.seeds == 3
    assert decision.test.difference > decision.test.standard_error
    assert "help" in decision.reason
    assert "0.3" in decision.reason


def test_five_images_repeated(gate: Gate, digits: Uneven) -> None:
    """Collapse; precision is blind to it."""
    decision = gate.judge(RARE, known(digits)[torch.arange(MADE) % 5])
    assert refused(decision, "recall").value < 0.05
    assert "variety" in decision.reason
    assert next(check.value for check in decision.checks if check.name == "precision") > 0.8


def test_nearly_one_image(gate: Gate, digits: Uneven) -> None:
    """Collapse to one image, with a little noise."""
    decision = gate.judge(RARE, noisy(known(digits)[:1], 4.0))
    assert refused(decision, "pair_ratio").value < 0.2
    assert "alike" in decision.reason


def test_copies_of_training_images(gate: Gate, digits: Uneven) -> None:
    """They pass every comparison of distributions; only the nearest distances see them."""
    decision = gate.judge(RARE, known(digits)[torch.arange(MADE) % REAL])
    assert refused(decision, "nearest_neighbor_ratio").value < 0.01
    assert "memorized" in decision.reason
    assert next(check.value for check in decision.checks if check.name == "coverage") > 0.9


def test_copies_with_little_noise(gate: Gate, digits: Uneven) -> None:
    refused(gate.judge(RARE, noisy(known(digits), 8.0)), "nearest_neighbor_ratio")


def test_copies_among_new_images(gate: Gate, digits: Uneven) -> None:
    """A fifth of copies does not move a median; the share sees them."""
    made = torch.cat([digits.others[RARE][:40], known(digits)[:10]])
    assert refused(gate.judge(RARE, made), "copied_share").value >= 0.2


def test_copies_of_held_out_images(gate: Gate, digits: Uneven) -> None:
    """From a generator that saw what it is judged on; the paired test would praise it."""
    leaked = digits.held_out.images[digits.held_out.targets == RARE][:MADE]
    assert refused(gate.judge(RARE, leaked), "copied_share").value == 1.0


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_wrong_class(gate: Gate, digits: Uneven, share: float) -> None:
    wrong = round(share * MADE)
    made = torch.cat([digits.others[7][:wrong], digits.others[RARE][: MADE - wrong]])
    decision = gate.judge(RARE, made)
    assert refused(decision, "label_agreement").value < 0.6
    assert "recognized as this class" in decision.reason


def test_pixel_noise(gate: Gate) -> None:
    noise = torch.randint(0, 256, (MADE, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    refused(gate.judge(RARE, noise), "label_agreement")


def test_copies_under_heavy_noise(gate: Gate, digits: Uneven) -> None:
    decision = gate.judge(RARE, noisy(known(digits), 100.0))
    assert decision.verdict == "refused"
    assert decision.checks[-1].name in ("label_agreement", "precision", "density")


def test_passes_every_check_but_does_not_help(gate: Gate, digits: Uneven) -> None:
    """Copies under medium noise look like new images to the classifier; beside a balanced baseline they add nothing."""
    decision = gate.judge(RARE, noisy(known(digits), 45.0))
    assert decision.verdict == "refused"
    assert decision.weight == 0
    assert decision.test is not None
    assert all(check.passed for check in decision.checks)
    assert "does not help" in decision.reason


def test_few_real_images_are_refused_before_anything_is_computed(digits: Uneven) -> None:
    few = replace(digits, labeled=uneven(19).labeled)
    gate = open_gate(few)
    decision = gate.judge(RARE, digits.others[RARE][:30])
    assert refused(decision, "real_images").value == 19
    assert "19 real images" in decision.reason
    assert "20" in decision.reason
    assert len(decision.checks) == 1
    assert not gate.trainings.trained


@pytest.mark.parametrize(("made", "by"), [(9, "made_images"), (51, "made_per_real")])
def test_numbers_of_made_images(gate: Gate, digits: Uneven, made: int, by: str) -> None:
    refused(gate.judge(RARE, digits.others[RARE][:made]), by)


def test_nothing_to_gain(gate: Gate, digits: Uneven) -> None:
    """A common class that is recognized as well as the others."""
    assert refused(gate.judge(0, digits.others[0][:MADE]), "class_recall").value > 0.9
    before = gate.worth_making(0)
    assert before is not None
    assert (before.verdict, before.made, before.checks[-1].name) == ("refused", 0, "class_recall")
    assert gate.worth_making(RARE) is None


def test_same_seed_same_decision(gate: Gate, digits: Uneven) -> None:
    """Anew, in the other order of classes, and whatever the global random state."""
    made = digits.others[RARE][:MADE]
    torch.manual_seed(123)
    again = judge(
        RARE, made, labeled=digits.labeled, held_out=digits.held_out, classes=CLASSES, train=PLAN, seed=0, device=CPU
    )
    assert again == gate.judge(RARE, made)


def test_labels_are_set_aside_when_nothing_is_held_out(digits: Uneven) -> None:
    seen: list[tuple[int, int]] = []
    gate = Gate(
        labeled=uneven(32).labeled, held_out=None, classes=CLASSES, train=PLAN, seed=4, device=CPU,
        on_progress=lambda done, total, _: seen.append((done, total)),
    )  # fmt: skip
    decision = gate.judge(RARE, digits.others[7][:20])
    refused(decision, "label_agreement")
    assert (decision.real, decision.set_aside) == (24, 8 + 9 * 15)
    assert "8 labels of this class were set aside" in decision.reason
    assert seen == [(0, 8), (1, 8)]
    learned, aside = set_aside(uneven(32).labeled, seed=4)
    assert torch.equal(learned.ids, gate.labeled.ids)
    assert torch.equal(aside.ids, gate.held_out.ids)


def test_refuses_what_is_not_apart(digits: Uneven) -> None:
    def opened(held_out: LabeledImages = digits.held_out, seeds: int = 3) -> Gate:
        plan = replace(PLAN, seeds=seeds)
        return Gate(labeled=digits.labeled, held_out=held_out, classes=CLASSES, train=plan, seed=0, device=CPU)

    with pytest.raises(DataError, match="some in both"):
        opened(digits.labeled)
    with pytest.raises(DataError, match="synthetic ones"):
        opened(replace(digits.held_out, ids=-1 - digits.held_out.ids))
    with pytest.raises(DataError, match="expected 3 pairs"):
        opened(seeds=2)
    with pytest.raises(DataError, match="synthetic images like the labeled ones"):
        opened().judge(RARE, torch.zeros(20, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(DataError, match="class from 0 to 10"):
        opened().judge(10, digits.others[RARE][:20])


def test_weights() -> None:
    assert [GateBounds().weight(real) for real in (19, 20, 49, 50, 500)] == [0.0, 0.3, 0.3, 0.5, 0.5]
