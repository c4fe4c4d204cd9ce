"""The trainings of a round's gate, each done once: classes that are judged in turn share those on real images alone."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.augmentation.gate.plan import Progress, TrainPlan, predictions_of
from pipeline.models.base import Classifier
from pipeline.randomness import derive_seed
from pipeline.training.labeled import LabeledImages


class Trainings:
    """Classifiers trained on real images alone, and pairs with and without synthetic ones.

    Args:
        labeled: Real images that train.
        held_out: Real images that measure.
        classes: Number of classes K.
        plan: How to train.
        seed: Of first weights and order; a pair shares both.
        device: Where to train.
        on_progress: Called with (trainings done, trainings of a decision, a line to show); raising stops.
    """

    def __init__(
        self, labeled: LabeledImages, held_out: LabeledImages, *, classes: int, plan: TrainPlan, seed: int,
        device: torch.device, on_progress: Progress | None = None,
    ) -> None:  # fmt: skip
        self.labeled, self.held_out, self.classes, self.plan = labeled, held_out, classes, plan
        self.seed, self.device, self.on_progress = seed, device, on_progress
        self._judges: dict[str, Classifier] = {}
        self._without: dict[int, Tensor] = {}

    def independent(self) -> Classifier:
        """Return the classifier that checks labels: of another seed than the one whose features are compared."""
        return self._judge("independent", 0)

    def frozen(self) -> Classifier:
        """Return the classifier whose features are compared."""
        return self._judge("frozen", 1)

    def right(self, model: Classifier) -> Tensor:
        """Return whether a classifier recognizes each held-out image, bool (N,)."""
        return predictions_of(model, self.held_out.images) == self.held_out.targets

    def recalls(self) -> dict[int, float]:
        """Return the recall of each held-out class without synthetic images, by the mean of the two classifiers."""
        right = torch.stack([self.right(model) for model in (self.independent(), self.frozen())]).double()  # (2, N)
        targets = self.held_out.targets
        return {target: float(right[:, targets == target].mean()) for target in sorted(set(targets.tolist()))}

    def without(self, number: int) -> Tensor:
        """Return what the plain half of a pair recognizes, bool (N,)."""
        if number not in self._without:
            self._without[number] = self.right(self._fit(None, derive_seed(self.seed, "pair", number), 2 + 2 * number))
        return self._without[number]

    def beside(self, number: int, synthetic: LabeledImages) -> Tensor:
        """Return what the other half recognizes, which also learned from synthetic images, bool (N,)."""
        return self.right(self._fit(synthetic, derive_seed(self.seed, "pair", number), 3 + 2 * number))

    def _judge(self, name: str, done: int) -> Classifier:
        if name not in self._judges:
            self._judges[name] = self._fit(None, derive_seed(self.seed, "judge", name), done)
        return self._judges[name]

    def _fit(self, synthetic: LabeledImages | None, seed: int, done: int) -> Classifier:
        if self.on_progress is not None:
            self.on_progress(done, self.plan.trainings(), "judging synthetic images: training")
        return self.plan.fit(self.labeled, synthetic, classes=self.classes, seed=seed, device=self.device)
