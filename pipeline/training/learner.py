"""One network of a batch that trains in lockstep: its images, its random streams, its schedule."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.data.transforms import Augmentation, draw_changes
from pipeline.randomness import derive_seed
from pipeline.training.balance import balanced
from pipeline.training.checkpoint import finite_or_raise
from pipeline.training.labeled import LabeledImages
from pipeline.training.mixing import Mixed, draw_mixed
from pipeline.training.mixture import mix
from pipeline.training.order import BalancedOrder, Order
from pipeline.training.recipes import SupervisedRecipe
from pipeline.training.schedule import Schedule

Parts = tuple[nn.Module, LabeledImages, int, LabeledImages | None, LabeledImages | None, LabeledImages | None]
"""Network, labeled images, seed, adversarial copies, pseudo-labeled and synthetic images."""


class Learner:
    """One network of the batch: its images, its streams, its schedule.

    A batch has the plain trainer's rows in its order: labeled, pseudo-labeled, copies. Each row weighs what its part
    of the loss does, so that networks with other mixtures share one program.
    """

    def __init__(self, parts: Parts, recipe: SupervisedRecipe) -> None:
        self.model, self.labeled, self.seed, copies, pseudo, synthetic = parts
        self.recipe = recipe
        self.mixture = mix(recipe, len(self.labeled), *(len(extra) if extra else 0 for extra in (copies, pseudo)))
        self.schedule = Schedule(recipe, recipe.steps(len(self.labeled)))
        self.balanced = balanced(self.model, recipe, self.labeled, synthetic)
        self.window = max(recipe.window, -(-len(self.balanced.images) // self.mixture.labeled))
        self.rate_share = float(getattr(self.model, "learning_rate_share", 1.0))
        self.loss, self.looked = float("nan"), 0  # of the last window; steps done then
        mixture = self.mixture
        real = 1 - mixture.copies_weight - mixture.pseudo_weight
        every = [
            ("labeled", self.balanced.images, mixture.labeled, real),
            ("pseudo", pseudo, mixture.pseudo, mixture.pseudo_weight),
            ("copies", copies, mixture.copies, mixture.copies_weight),
        ]
        self.sets = [(images, rows, weight) for _, images, rows, weight in every if images is not None and rows]
        self.orders: list[Order | BalancedOrder] = [self.balanced.order(self.seed)]
        self.orders += [Order(self.seed, name, len(images)) for name, images, rows, _ in every[1:] if images and rows]
        self.targets = torch.cat([images.targets for images, _, _ in self.sets])  # (N,)

    def factors(self) -> Tensor | None:
        """Return what each image counts in the loss, float64 (N,) in the order of `targets`; None for 1 each."""
        if self.balanced.factors is None:
            return None
        others = torch.ones(len(self.targets) - len(self.balanced.factors), dtype=torch.float64)
        return torch.cat([self.balanced.factors, others])

    def mixed(self, step: int, side: int) -> Mixed:
        """Return how a step's images (B,) are mixed; each copy with itself."""
        blocks = (self.mixture.labeled, self.mixture.pseudo)
        drawn = draw_mixed(self.recipe.mixing, blocks, side, seed=self.seed, step=step)
        copies = torch.arange(sum(blocks), self.recipe.batch_size)
        return Mixed(torch.cat([drawn.partner, copies]), drawn.keep, drawn.share)

    def images(self) -> list[Tensor]:
        """Return labeled, pseudo-labeled and copied images, in the order of `targets`."""
        return [images.images for images, _, _ in self.sets]

    def row_weights(self) -> Tensor:
        """Return what each row of a batch adds to the loss, (B,)."""
        return torch.cat([torch.full((rows,), weight / rows, dtype=torch.float64) for _, rows, weight in self.sets])

    def index(self, start: int, stop: int) -> Tensor:
        """Return the positions (stop - start, B) in `targets` of the rows of some steps."""
        offsets = [0, *torch.tensor([len(images) for images, _, _ in self.sets]).cumsum(0).tolist()]
        blocks = [
            order.take(start * rows, stop * rows).view(-1, rows) + offset
            for order, (_, rows, _), offset in zip(self.orders, self.sets, offsets, strict=False)
        ]
        return torch.cat(blocks, dim=1)

    def changes(self, step: int, side: int, kind: Augmentation) -> Tensor:
        """Return the drawn changes (5 or 3, B) of a step's images; zeros for copies, which are not changed."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "augment", step))
        mixture = self.mixture
        drawn = [draw_changes(rows, side, generator, kind) for rows in (mixture.labeled, mixture.pseudo) if rows]
        return torch.cat([*drawn, torch.zeros(len(drawn[0]), mixture.copies)], dim=1)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step; zero once it has stopped."""
        return self.schedule.rate(step) * self.rate_share if step < self.schedule.last else 0.0

    def look_back(self, step: int, total: float) -> None:
        """Take in the sum of a window's losses, after `step` steps.

        Raises:
            TrainingError: It is not a finite number.
        """
        self.loss, self.looked = finite_or_raise(total, step) / (step - self.looked), step
        self.schedule.observe(step, self.loss)

    def looks_back_at(self) -> int:
        """Return the step after which the loss is looked at next."""
        return min(self.looked + self.window, self.schedule.last)
