"""The deciding test: the same trainings with and without the synthetic images, measured on real images held out.

GAN-train of Shmelkov et al. (arXiv:1807.09499) and the classification accuracy score of Ravuri and Vinyals
(arXiv:1905.10887), in the form that matters here: do the images help beside the real ones?
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pipeline.augmentation.gate.trainings import Trainings
from pipeline.augmentation.records import PairedTest
from pipeline.training.labeled import LabeledImages


def as_synthetic(target: int, made: Tensor, weight: float) -> LabeledImages:
    """Return synthetic images as training takes them: with a weight each, and ids below 0 that meet no sample's."""
    count = len(made)
    return LabeledImages(made, torch.full((count,), target), -1 - torch.arange(count), torch.full((count,), weight))


def paired_test(target: int, made: Tensor, weight: float, trainings: Trainings) -> PairedTest:
    """Train pairs of classifiers that differ in the synthetic images alone, and compare their recalls.

    Args:
        target: The class whose images were made.
        made: uint8 (F, C, S, S).
        weight: What one of them counts beside a real image, in (0, 1].
        trainings: Model, recipe, seeds and real images, which the pairs share.
    """
    synthetic = as_synthetic(target, made, weight)
    pairs = [
        torch.stack([trainings.without(number), trainings.beside(number, synthetic)])
        for number in range(trainings.plan.seeds)
    ]
    return summarize(torch.stack(pairs), trainings.held_out.targets, target)


def summarize(right: Tensor, targets: Tensor, target: int) -> PairedTest:
    """Return the test's figures.

    Args:
        right: bool (R, 2, N): by pair, without and with, whether each held-out image was recognized.
        targets: int64 (N,), their classes.
        target: The class whose images were made.
    """
    of_class = right[:, :, targets == target].double()  # (R, 2, M)
    without, beside = of_class[:, 0], of_class[:, 1]
    change = beside - without  # (R, M)
    return PairedTest(
        seeds=len(right),
        recall_without=float(without.mean()),
        recall_with=float(beside.mean()),
        difference=float(change.mean()),
        standard_error=max(standard_error(change.mean(dim=1)), standard_error(change.mean(dim=0))),
        balanced_difference=float((_balanced(right[:, 1], targets) - _balanced(right[:, 0], targets)).mean()),
    )


def standard_error(values: Tensor) -> float:
    """Return that of the mean of values (N,), N is 2 or more."""
    return float(values.std(correction=1)) / math.sqrt(len(values))


def _balanced(right: Tensor, targets: Tensor) -> Tensor:
    """Return the balanced accuracy (R,) of right bool (R, N)."""
    recalls = [right[:, targets == target].double().mean(dim=1) for target in set(targets.tolist())]
    return torch.stack(recalls).mean(dim=0)
