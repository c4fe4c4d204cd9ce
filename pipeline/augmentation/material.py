"""What makers of images and the gate may look at, in memory: labels, labels held out, the pool. Never test images."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from pipeline.augmentation.gate.apart import set_aside
from pipeline.augmentation.gate.plan import TrainPlan
from pipeline.randomness import derive_seed
from pipeline.training.labeled import LabeledImages


@dataclass(frozen=True, kw_only=True)
class Material:
    """What makers and the gate may look at.

    Attributes:
        labeled: Real images that makers and the gate's trainings learn from.
        held_out: Real labeled images that only the gate measures on.
        classes: Number of classes K.
        train: How classifiers are trained: network and recipe of the arm that the images are for.
        pool: uint8 (P, C, S, S) without labels, for a generator to learn from; None for labels alone.
    """

    labeled: LabeledImages
    held_out: LabeledImages
    classes: int
    train: TrainPlan
    pool: Tensor | None = None

    @classmethod
    def from_labels(
        cls, labels: LabeledImages, *, classes: int, train: TrainPlan, seed: int, pool: Tensor | None = None
    ) -> Material:
        """Set a quarter of the labels aside for the gate, where there are no validation images."""
        labeled, aside = set_aside(labels, seed=derive_seed(seed, "gate"))
        return cls(labeled=labeled, held_out=aside, classes=classes, train=train, pool=pool)

    def of_class(self, target: int) -> LabeledImages:
        """Return the images of one class to learn from."""
        return self.labeled.take(self.labeled.targets == target)
