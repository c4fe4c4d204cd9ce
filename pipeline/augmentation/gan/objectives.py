"""What the two networks minimise in a step: the adversarial terms of a loss, and the class terms beside them.

Real or fake is asked of the unlabeled pool where there is one, and of labeled images otherwise; the class term is asked
of labels and trusted pseudo-labels alone. Generated images are drawn in equal parts of the classes; where the pool is
not like that, their weight in the free term is the class's share in the pool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from pipeline.augmentation.gan.diff_augment import diff_augment
from pipeline.augmentation.gan.discriminators import Discriminator
from pipeline.augmentation.gan.losses import Knobs
from pipeline.augmentation.gan.networks import CODES
from pipeline.augmentation.gan.penalties import around_real_penalty, interpolated_penalty
from pipeline.augmentation.gan.recipe import GanRecipe
from pipeline.augmentation.gan.terms import class_loss, code_loss, feature_distance


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Images of one step, in [-1, 1].

    Attributes:
        labeled: Real images with a class (B, C, S, S).
        labels: Their classes (B,).
        unlabeled: Real images of the pool (B, C, S, S), or None.
        made: Generated images (B, C, S, S).
        targets: The classes they were drawn for (B,).
        weights: Of the generated images in the free term (B,), mean near 1.
        codes: InfoGAN's continuous codes that they were drawn from (B, M).
        condition: How much the class counts, in [0, 1].
    """

    labeled: Tensor
    labels: Tensor
    unlabeled: Tensor | None
    made: Tensor
    targets: Tensor
    weights: Tensor
    codes: Tensor
    condition: float


@dataclass(frozen=True, kw_only=True)
class Cost:
    """A network's loss and the figures worth keeping.

    Attributes:
        total: What is minimised, a scalar.
        adversarial: The adversarial part of it.
        real: Mean free score of real images.
        fake: Mean free score of generated images.
    """

    total: Tensor
    adversarial: Tensor
    real: Tensor
    fake: Tensor


class Objective:
    """Both networks' losses for one recipe.

    Args:
        network: The discriminator.
        recipe: The choices.
        channels: Of the images.
    """

    def __init__(self, network: Discriminator, recipe: GanRecipe, channels: int) -> None:
        self.network, self.recipe, self.terms = network, recipe, recipe.terms
        self.changes = recipe.changes_for(channels)
        self.heads_class = recipe.by in ("projection", "concatenation")

    def discriminator(self, batch: Batch, balance: float, generator: torch.Generator) -> Cost:
        """Return what the discriminator minimises.

        Args:
            batch: `made` without gradients.
            balance: BEGAN's k.
            generator: Of the changes and penalties; on the CPU.
        """
        knobs = Knobs(smoothing=self.recipe.smoothing, margin=self.recipe.margin, balance=balance)
        labeled, made, *pool = self._changed(batch, generator)
        of_labeled, of_made, *of_pool = self._features([labeled, made, *pool])
        real = self.network.free(of_pool[0], pool[0]) if pool else self.network.free(of_labeled, labeled)
        fake = self.network.free(of_made, made)
        adversarial = self.terms.real(real.float(), knobs).mean()
        adversarial = adversarial + _weighted(self.terms.fake(fake.float(), knobs), batch.weights)
        if self.heads_class and batch.condition:
            as_real = self.network.of_class(of_labeled, batch.labels).float()
            as_fake = self.network.of_class(of_made, batch.targets).float()
            of_class = self.terms.real(as_real, knobs).mean() + self.terms.fake(as_fake, knobs).mean()
            adversarial = adversarial + batch.condition * of_class
        total = adversarial + self._class_heads(batch, of_labeled, of_made)
        if self.terms.penalty:
            slopes = self._penalties(batch, pool[0] if pool else labeled, labeled, made, generator)
            total = total + self.recipe.penalty_weight * slopes
        return Cost(total=total, adversarial=adversarial, real=real.mean(), fake=fake.mean())

    def generator(self, batch: Batch, generator: torch.Generator) -> Cost:
        """Return what the generator minimises; `made` carries gradients."""
        labeled, made, *_ = self._changed(batch, generator)
        features = self.network.body(made)
        free = self.network.free(features, made)
        adversarial = _weighted(self.terms.generator(free.float()), batch.weights)
        if self.heads_class and batch.condition:
            score = self.network.of_class(features, batch.targets).float()
            adversarial = adversarial + batch.condition * self.terms.generator(score).mean()
        total = adversarial + self._class_heads(batch, None, features)
        if self.recipe.feature_matching:
            with torch.no_grad():
                wanted = self.network.body(labeled)
            total = total + self.recipe.feature_matching * feature_distance(wanted.float(), features.float())
        return Cost(total=total, adversarial=adversarial, real=free.mean(), fake=free.mean())

    def _changed(self, batch: Batch, generator: torch.Generator) -> list[Tensor]:
        parts = [batch.labeled, batch.made, *([] if batch.unlabeled is None else [batch.unlabeled])]
        return [diff_augment(part, self.changes, generator) for part in parts]

    def _features(self, parts: list[Tensor]) -> list[Tensor]:
        """Return each part's features; in one pass, unless the discriminator looks at a batch as a whole."""
        if self.network.deviation:
            return [self.network.body(part) for part in parts]
        return list(torch.split(self.network.body(torch.cat(parts)), [len(part) for part in parts]))

    def _class_heads(self, batch: Batch, of_labeled: Tensor | None, of_made: Tensor) -> Tensor:
        """Return ACGAN's or InfoGAN's terms: class heads are trained on labels too, so that codes are classes."""
        zero = torch.zeros((), device=of_made.device)
        if self.heads_class or not batch.condition:
            return zero
        cost = zero if of_labeled is None else class_loss(self.network.classify(of_labeled).float(), batch.labels)
        cost = cost + class_loss(self.network.classify(of_made).float(), batch.targets)
        if self.terms.code:
            mean, log_variance = self.network.codes(of_made)
            cost = cost + code_loss(mean.float(), log_variance.float(), batch.codes[:, -CODES:])
        return batch.condition * self.recipe.class_weight * cost

    def _penalties(
        self, batch: Batch, real: Tensor, labeled: Tensor, made: Tensor, generator: torch.Generator
    ) -> Tensor:
        cost = self._penalty(self._free, real, made, generator)
        if self.heads_class and batch.condition:
            cost = cost + batch.condition * self._penalty(
                partial(self._as_class, targets=batch.labels), labeled, made, generator
            )
        return cost

    def _free(self, images: Tensor) -> Tensor:
        return self.network.free(self.network.body(images), images)

    def _as_class(self, images: Tensor, targets: Tensor) -> Tensor:
        return self.network.of_class(self.network.body(images), targets)

    def _penalty(
        self, scores: Callable[[Tensor], Tensor], real: Tensor, made: Tensor, generator: torch.Generator
    ) -> Tensor:
        if self.terms.penalty == "around_real":
            return around_real_penalty(scores, real, generator)
        return interpolated_penalty(scores, real, made, generator)


def _weighted(costs: Tensor, weights: Tensor) -> Tensor:
    return (costs * weights).mean()
