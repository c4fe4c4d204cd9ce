"""What is done for rare classes: classes that take turns in the batches, or logits that know how rare a class is.

'sampling' draws classes in turn, and each class's images in shuffled epochs of their own. 'logit_adjustment' trains on
logits plus the log of the class's share of the labels, and predicts without it (Menon et al. 2021, arXiv:2007.07314,
the loss form with tau = 1): what is predicted then suits classes that are equally common. 'balanced_softmax' (Ren et
al. 2020, arXiv:2007.10740) adds the log of the count, which differs by a constant that softmax does not see: at tau = 1
the two are one loss under two names.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.training.labeled import LabeledImages
from pipeline.training.order import BalancedOrder, Order
from pipeline.training.recipes import Balance, SupervisedRecipe
from pipeline.training.synthetic import united, weights_of

_UNEVEN = 3.0  # the largest class has so many times the labels of the smallest: then 'auto' does something


@dataclass(frozen=True)
class Balanced:
    """What a training draws from, and how its classes weigh.

    Attributes:
        kind: What is done: never 'auto'.
        images: Labeled images and, after them, synthetic ones.
        offsets: float64 (K,), added to the logits in the loss; None where nothing is.
        factors: float64 (N,), what each image counts in the loss; None for 1 each.
    """

    kind: Balance
    images: LabeledImages
    offsets: Tensor | None
    factors: Tensor | None

    def order(self, seed: int) -> Order | BalancedOrder:
        """Return the stream from which the steps take their images."""
        if self.kind == "sampling":
            return BalancedOrder(seed, "labeled", self.images.targets)
        return Order(seed, "labeled", len(self.images))


def balanced(
    model: nn.Module, recipe: SupervisedRecipe, labeled: LabeledImages, synthetic: LabeledImages | None
) -> Balanced:
    """Return what a recipe does for the rare classes of these images."""
    images = united(labeled, synthetic)
    classes = getattr(getattr(model, "architecture", None), "classes", None)
    counts = class_counts(images, classes)
    kind = chosen_balance(recipe.balance, counts)
    offsets = log_shares(counts) if kind in ("logit_adjustment", "balanced_softmax") else None
    return Balanced(kind, images, offsets, loss_factors(images, by_class=kind == "sampling"))


def class_counts(images: LabeledImages, classes: int | None = None) -> Tensor:
    """Return how many images each class has, by their weights, float64 (K,).

    Args:
        images: Labeled and synthetic images.
        classes: K; None takes the highest class that there is.
    """
    return torch.bincount(images.targets, weights=weights_of(images), minlength=classes or 0)


def chosen_balance(wanted: Balance, counts: Tensor) -> Balance:
    """Return what to do about class counts (K,); 'auto' does nothing about even ones. Absent classes are not looked at.

    >>> chosen_balance("auto", torch.tensor([5.0, 12.0, 0.0])), chosen_balance("auto", torch.tensor([5.0, 50.0]))
    ('none', 'sampling')
    """
    if wanted != "auto":
        return wanted
    there = counts[counts > 0]
    return "sampling" if float(there.max()) >= _UNEVEN * float(there.min()) else "none"


def log_shares(counts: Tensor) -> Tensor:
    """Return the log of each class's count beside the largest, float64 (K,); softmax sees no difference to log shares.

    A class without any label gets 0, as if it were the most common: nothing is known about it that would lift it.

    >>> log_shares(torch.tensor([100.0, 50.0, 0.0])).exp().tolist()
    [1.0, 0.5, 1.0]
    """
    return torch.where(counts > 0, counts / counts.max(), 1.0).double().log()


def loss_factors(images: LabeledImages, *, by_class: bool = False) -> Tensor | None:
    """Return what each image counts in the loss, float64 (N,): its weight, scaled to a mean of 1; None for 1 each.

    Args:
        images: With or without weights.
        by_class: Scale each class to a mean of 1, so that classes that are drawn equally often count equally.
    """
    if images.weights is None:
        return None
    weights = weights_of(images)
    if not by_class:
        return weights / weights.mean()
    means = class_counts(images) / torch.bincount(images.targets).clamp(min=1)
    return weights / means[images.targets]
