"""Adversarial training in a step of the supervised trainer: what passes through the network, and what it adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.augmentation.adversarial_training import AdversarialTraining, KurakinMix, Trades, UnlabeledImages
from pipeline.data.transforms import Augmentation, augment
from pipeline.randomness import derive_seed
from pipeline.training.mixing import Rows
from pipeline.training.order import Order
from pipeline.training.recipes import SupervisedRecipe


@dataclass(frozen=True)
class Hostile:
    """The images of a step, parted by how they pass.

    Attributes:
        real: (R, C, S, S), with the network's usual statistics.
        pushed: (P, C, S, S), with statistics of their own.
        together: From the logits of both, (R, K) and (P, K), to those of the step's images (B, K).
        besides: From the logits of both to what the loss gets on top.
        factors: float64 (L,), what the labeled images of the step count; None for 1 each.
    """

    real: Tensor
    pushed: Tensor
    together: Callable[[Tensor, Tensor], Tensor]
    besides: Callable[[Tensor, Tensor], Tensor]
    factors: Tensor | None

    def rows(self, rows: Rows) -> Rows:
        """Return what the step's images count as, given what they would without an attack."""
        if self.factors is None:
            return rows
        return Rows(rows.targets, self.factors if rows.factors is None else self.factors * rows.factors)


@dataclass(frozen=True)
class Adversary:
    """What makes the pushed images of each step, from (seed, step) alone.

    Attributes:
        kind: How.
        labeled: Labeled images in a batch.
        augmentation: Of unlabeled images.
        seed: Of the training.
        unlabeled: Images that TRADES learns from, too; as many a step as labeled ones.
    """

    kind: AdversarialTraining
    labeled: int
    augmentation: Augmentation
    seed: int
    unlabeled: UnlabeledImages | None

    def attack(self, model: nn.Module, images: Tensor, step: int) -> Hostile:
        """Return a step's images (B, C, S, S), labeled ones first, with what is pushed of them."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "adversarial", step))
        if isinstance(self.kind, KurakinMix):
            return self._mix(self.kind, model, images, generator)
        return self._trades(self.kind, model, images, generator, step)

    def _mix(self, kind: KurakinMix, model: nn.Module, images: Tensor, generator: torch.Generator) -> Hostile:
        count = kind.rows(self.labeled)
        return Hostile(
            real=images[count:],
            pushed=kind.push(model, images[:count], generator),
            together=lambda real, pushed: torch.cat([pushed, real]),
            besides=lambda real, _: real.new_zeros(()),
            factors=kind.factors(self.labeled),
        )

    def _trades(self, kind: Trades, model: nn.Module, images: Tensor, generator: torch.Generator, step: int) -> Hostile:
        real, count = torch.cat([images, self._unlabeled(images, generator, step)]), len(images)
        places = [*range(self.labeled), *range(count, len(real))]  # pseudo-labeled images may be wrong: they are left
        return Hostile(
            real=real,
            pushed=kind.push(model, real[places], generator),
            together=lambda of_real, _: of_real[:count],
            besides=lambda of_real, pushed: kind.loss(of_real[places], pushed),
            factors=None,
        )

    def _unlabeled(self, images: Tensor, generator: torch.Generator, step: int) -> Tensor:
        if not self.unlabeled:
            return images[:0]
        order = Order(self.seed, "unlabeled", len(self.unlabeled))
        which = order.take(step * self.labeled, (step + 1) * self.labeled)
        return augment(self.unlabeled.images[which].to(images.device), generator, self.augmentation).to(images.dtype)


def adversary_of(
    recipe: SupervisedRecipe, labeled: int, seed: int, unlabeled: UnlabeledImages | None
) -> Adversary | None:
    """Return a recipe's adversary for batches of so many labeled images; None for plain training.

    Raises:
        TrainingError: A batch has no room for adversarial images.
    """
    kind = recipe.adversarial
    if kind is None:
        return None
    if isinstance(kind, KurakinMix):
        kind.rows(labeled)  # refuses at once
    return Adversary(kind, labeled, recipe.augmentation, seed, unlabeled or None)
