from __future__ import annotations

from collections import Counter

import pytest
import torch

from pipeline.errors import TrainingError
from pipeline.models.registry import build_model
from pipeline.training.balance import balanced, chosen_balance, class_counts, log_shares, loss_factors
from pipeline.training.labeled import LabeledImages
from pipeline.training.losses import class_loss
from pipeline.training.order import BalancedOrder
from pipeline.training.recipes import SupervisedRecipe
from tests.pipeline.toys import stripes

UNEVEN = torch.tensor([0] * 9 + [1] * 3 + [3] * 2)


def images(targets: torch.Tensor, weights: torch.Tensor | None = None, first: int = 1) -> LabeledImages:
    count = len(targets)
    return LabeledImages(
        torch.zeros(count, 1, 16, 16, dtype=torch.uint8), targets, first + torch.arange(count), weights
    )


def test_classes_take_turns_and_images_of_a_class_too() -> None:
    order = BalancedOrder(0, "labeled", UNEVEN)
    stream = order.take(0, 54).tolist()
    for turn in range(18):
        assert {int(UNEVEN[place]) for place in stream[3 * turn : 3 * turn + 3]} == {0, 1, 3}
    seen = Counter(stream)
    assert [seen[place] for place in range(14)] == [2] * 9 + [6] * 3 + [9] * 2
    assert order.take(7, 31).tolist() == BalancedOrder(0, "labeled", UNEVEN).take(0, 40).tolist()[7:31]
    assert BalancedOrder(1, "labeled", UNEVEN).take(0, 54).tolist() != stream


def test_logit_adjustment_is_the_loss_of_the_paper() -> None:
    """Menon et al. (2021), eq. 10: cross-entropy of f(x) + tau log pi_y, with tau = 1; a constant changes nothing."""
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    targets, counts = torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([90.0, 9.0, 1.0])
    of_paper = [
        -torch.log(counts[y] * logits[i, y].exp() / (counts * logits[i].exp()).sum()) for i, y in enumerate(targets)
    ]
    assert float(class_loss(logits, targets, offsets=log_shares(counts))) == pytest.approx(float(sum(of_paper)) / 6)
    wide = torch.cat([logits, torch.zeros(6, 1)], dim=1)  # a class beyond the highest labeled one
    assert torch.isfinite(class_loss(wide, targets, offsets=log_shares(counts)))


@pytest.mark.parametrize("kind", ["logit_adjustment", "balanced_softmax"])
def test_both_names_give_logits_the_log_of_the_counts(kind: str) -> None:
    model = build_model("lenet5", classes=4, channels=1, image_size=16, seed=0)
    offsets = balanced(model, SupervisedRecipe(balance=kind), images(UNEVEN), None).offsets
    assert torch.allclose(offsets.exp(), torch.tensor([1, 1 / 3, 1, 2 / 9], dtype=torch.float64))  # none of class 2


def test_synthetic_images_count_by_their_weight() -> None:
    made = images(torch.full((10,), 3), torch.full((10,), 0.3), first=-10)
    drawn = balanced(torch.nn.Identity(), SupervisedRecipe(balance="logit_adjustment"), images(UNEVEN), made)
    assert class_counts(drawn.images).tolist() == pytest.approx([9, 3, 0, 5])
    assert drawn.offsets.exp().tolist() == pytest.approx([1, 1 / 3, 1, 5 / 9])
    assert drawn.images.ids.tolist() == [*range(1, 15), *range(-10, 0)]
    assert float(drawn.factors.mean()) == pytest.approx(1)
    assert float(drawn.factors[-1] / drawn.factors[0]) == pytest.approx(0.3)


def test_classes_that_take_turns_count_equally_whatever_their_weights() -> None:
    weights = torch.where(UNEVEN == 3, 0.2, 1.0)
    weights[-1] = 0.6
    factors = loss_factors(images(UNEVEN, weights), by_class=True)
    for target in (0, 1, 3):
        assert float(factors[target == UNEVEN].mean()) == pytest.approx(1)
    assert float(factors[-1] / factors[-2]) == pytest.approx(3)
    assert loss_factors(images(UNEVEN)) is None


@pytest.mark.parametrize(
    ("counts", "kind"), [([10.0, 10, 10], "none"), ([10.0, 4, 0], "none"), ([30.0, 10, 5], "sampling")]
)
def test_auto_goes_by_the_counts_of_classes_with_labels(counts: list[float], kind: str) -> None:
    assert chosen_balance("auto", torch.tensor(counts)) == kind
    assert chosen_balance("balanced_softmax", torch.tensor(counts)) == "balanced_softmax"


def test_a_class_without_labels_is_not_lifted() -> None:
    drawn = balanced(
        build_model("lenet5", classes=6, channels=1, image_size=16, seed=0),
        SupervisedRecipe(balance="logit_adjustment"), stripes(20), None,
    )  # fmt: skip
    assert drawn.offsets[4:].tolist() == [0, 0]
    assert torch.isfinite(drawn.offsets).all()


@pytest.mark.parametrize(
    "weights", [torch.ones(2), torch.ones(3).long(), torch.tensor([1, 0.0, 1]), torch.tensor([1, float("nan"), 1])]
)
def test_weights_are_positive_numbers_one_an_image(weights: torch.Tensor) -> None:
    three = stripes(3)
    with pytest.raises(TrainingError, match=r"expected .*weights"):
        LabeledImages(three.images, three.targets, three.ids, weights)
