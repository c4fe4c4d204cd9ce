"""The deciding test: the same trainings with and without the synthetic images, measured on real images held out.

GAN-train of Shmelkov et al. (arXiv:1807.09499) and the classification accuracy score of Ravuri and Vinyals
(arXiv:1905.10887), in the form that matters here: do the images help beside the real ones?
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.augmentation.gate.plan import Progress, TrainPlan, predictions_of
from pipeline.augmentation.records import PairedTest
from pipeline.randomness import derive_seed
from pipeline.training.labeled import LabeledImages


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a pair of trainings shares.

    Attributes:
        labeled: Real images that train.
        held_out: Real images that measure.
        classes: Number of classes K.
        device: Where to train.
        on_progress: Called with (trainings done, trainings planned, a line to show); raising stops.
    """

    labeled: LabeledImages
    held_out: LabeledImages
    classes: int
    device: torch.device
    on_progress: Progress | None = None


def as_synthetic(target: int, made: Tensor, weight: float) -> LabeledImages:
    """Return synthetic images as training takes them: with a weight each, and ids below 0 that meet no sample's."""
    count = len(made)
    return LabeledImages(made, torch.full((count,), target), -1 - torch.arange(count), torch.full((count,), weight))


def paired_test(target: int, made: Tensor, weight: float, plan: TrainPlan, ground: Ground, seed: int) -> PairedTest:
    """Train pairs of classifiers that differ in the synthetic images alone, and compare their recalls.

    Args:
        target: The class whose images were made.
        made: uint8 (F, C, S, S).
        weight: What one of them counts beside a real image, in [0, 1].
        plan: Model, recipe and number of pairs.
        ground: What the pairs share.
        seed: Of first weights and order: a pair shares both.
    """
    synthetic, right = as_synthetic(target, made, weight), []
    for number in range(plan.seeds):
        pair = [
            _right(plan, ground, images, derive_seed(seed, "pair", number), 2 + 2 * number + place)
            for place, images in enumerate((None, synthetic))
        ]
        right.append(torch.stack(pair))
    return summarize(torch.stack(right), ground.held_out.targets, target)


def summarize(right: Tensor, targets: Tensor, target: int) -> PairedTest:
    """Return the test's figures.

    Args:
        right: bool (R, 2, N): by pair, without and with, whether each held-out image was recognized.
        targets: int64 (N,), their classes.
        target: The class whose images were made.
    """
    of_class = right[:, :, targets == target].double()  # (R, 2, M)
    without, with_them = of_class[:, 0], of_class[:, 1]
    change = with_them - without  # (R, M)
    return PairedTest(
        seeds=len(right),
        recall_without=float(without.mean()),
        recall_with=float(with_them.mean()),
        difference=float(change.mean()),
        standard_error=max(standard_error(change.mean(dim=1)), standard_error(change.mean(dim=0))),
        balanced_difference=float((_balanced(right[:, 1], targets) - _balanced(right[:, 0], targets)).mean()),
    )


def standard_error(values: Tensor) -> float:
    """Return that of the mean of values (N,); endless for fewer than two."""
    return float(values.std(correction=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf


def class_recall(right: Tensor, targets: Tensor) -> dict[int, float]:
    """Return the share of each class present that was recognized, from right bool (N,) and targets (N,)."""
    return {int(target): float(right[targets == target].double().mean()) for target in targets.unique()}


def _balanced(right: Tensor, targets: Tensor) -> Tensor:
    """Return the balanced accuracy (R,) of right bool (R, N)."""
    return torch.stack([right[:, targets == target].double().mean(dim=1) for target in targets.unique()]).mean(dim=0)


def _right(plan: TrainPlan, ground: Ground, synthetic: LabeledImages | None, seed: int, done: int) -> Tensor:
    if ground.on_progress is not None:
        ground.on_progress(done, plan.trainings(), "trying the images in training")
    model = plan.fit(ground.labeled, synthetic, classes=ground.classes, seed=seed, device=ground.device)
    return predictions_of(model, ground.held_out.images) == ground.held_out.targets
