"""When to lower the learning rate and when to stop, from the training loss alone: no hidden label is looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from pipeline.training.recipes import SupervisedRecipe

_NOTHING_LEFT = 0.005  # nats; a smaller fall of the loss is no progress
_COOLING = 0.25  # share of the steps done so far that an early stop takes to bring the rate to zero


@dataclass
class Schedule:
    """Warmup, then a cosine over the budget; once the loss stands still, a shorter cosine from where the rate is.

    Stopping at once at a high rate would leave noisy weights, so an early stop is a quick cooling instead.

    Attributes:
        recipe: Gives the highest rate, the warmup and the patience.
        budget: Steps when nothing stops earlier.
        last: Steps as decided so far.
        cooling_from: Step at which the cooling began; -1 before.
        best: Lowest loss of a window so far.
        stale: Windows since.
    """

    recipe: SupervisedRecipe
    budget: int
    last: int = field(default=-1)
    cooling_from: int = -1
    best: float = math.inf
    stale: int = 0

    def __post_init__(self) -> None:
        if self.last < 0:
            self.last = self.budget

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        if self.cooling_from < 0:
            return self._planned(step)
        passed = (step - self.cooling_from) / max(1, self.last - self.cooling_from)
        return self._planned(self.cooling_from) * _cosine(passed)

    def observe(self, step: int, loss: float) -> None:
        """Take in a window's loss after `step` steps, and begin to cool when it stands still for too long."""
        if not math.isfinite(self.best) or loss < self.best - max(self.best * self.recipe.progress, _NOTHING_LEFT):
            self.best, self.stale = loss, 0
            return
        self.stale += 1
        if self.recipe.patience and self.stale >= self.recipe.patience and self.cooling_from < 0:
            self.cooling_from = step
            self.last = min(self.budget, step + math.ceil(step * _COOLING))

    def _planned(self, step: int) -> float:
        warmup = max(1, round(self.budget * self.recipe.warmup))
        if step < warmup:
            return self.recipe.learning_rate * (step + 1) / warmup
        return self.recipe.learning_rate * _cosine((step - warmup) / max(1, self.budget - warmup))


def _cosine(passed: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(1.0, passed)))
