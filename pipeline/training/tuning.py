"""One recipe for all arms of a comparison, tuned on a random label set alone: never on test data or an arm's choice.

Candidates are compared by k-fold cross-validation within the labels that are given; those labels count as spent.
Candidates of one cost form a rung, and rungs are climbed from the cheapest: the best learning rate of a rung alone goes
on to the next, and climbing ends where more steps do not buy a point. What wins is the cheapest candidate that is not a
point worse than the best. The usual rule of one standard error (Breiman et al., Classification and Regression Trees,
1984, section 3.4.3) is too thrifty here: with five folds of a few hundred labels the error is two points or more, and
on MNIST it took a recipe whose accuracies jumped by ten.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from statistics import stdev

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.errors import TrainingError
from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.training.batched import Lesson, train_together
from pipeline.training.labeled import LabeledImages
from pipeline.training.recipes import RECIPES, SupervisedRecipe
from pipeline.training.supervised import Progress
from pipeline.training.validation import validate

_WORTH = 0.01  # accuracy that more steps must buy
_T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""97.5 % quantiles of Student's t for a mean over so many folds."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A candidate, and how it did.

    Attributes:
        recipe: The candidate.
        accuracies: On each fold, in [0, 1]; empty when it was not tried, because a cheaper one had told enough.
        seconds: Of its trainings, all folds.
        cost: Images that a training passes, steps times batch size; what 'cheap' goes by.
    """

    recipe: SupervisedRecipe
    accuracies: tuple[float, ...]
    seconds: float
    cost: int

    @property
    def mean(self) -> float:
        """The cross-validated accuracy; NaN when not tried."""
        return math.fsum(self.accuracies) / len(self.accuracies) if self.accuracies else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % t-interval of the mean over folds; rough, since folds share most of their training images."""
        if not self.accuracies:
            return math.nan, math.nan
        half = _T[len(self.accuracies)] * _standard_error(self.accuracies)
        return max(0.0, self.mean - half), min(1.0, self.mean + half)

    def loses_to(self, other: Trial) -> bool:
        """Return whether the other is better by more than what less work is worth."""
        return other.mean - self.mean > _WORTH


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What tuning found.

    Attributes:
        recipe: The cheapest that is not a point worse than the best.
        table: Every candidate, cheapest first.
        folds: Of the cross-validation.
        labels_used: Labels that it looked at; they count.
    """

    recipe: SupervisedRecipe
    table: tuple[Trial, ...]
    folds: int
    labels_used: int


def default_candidates() -> tuple[SupervisedRecipe, ...]:
    """Return the 'supervised' recipe with 300, 600 and 1,500 steps, each with its learning rate and three times that.

    A third of the rate is left out: lenet5 with 20 to 300 labels of MNIST was worse with it wherever it was tried.
    """
    base = RECIPES["supervised"]
    return tuple(
        replace(
            base, learning_rate=round(base.learning_rate * times, 6), least_steps=steps, window=min(100, steps // 6)
        )
        for steps in (300, 600, 1500)
        for times in (1, 3)
    )


def tune_recipe(
    labeled: LabeledImages,
    build: Callable[[int], nn.Module],
    candidates: Sequence[SupervisedRecipe] | None = None,
    *,
    folds: int = 5,
    seed: int,
    device: torch.device,
    on_progress: Progress | None = None,
) -> Tuning:
    """Find the recipe to train every arm by.

    Args:
        labeled: A random label set, drawn by the caller; classes are dealt evenly to the folds.
        build: Makes a new network from a seed.
        candidates: Recipes in any order; None takes `default_candidates`.
        folds: From 2 to 10.
        seed: Of folds, first weights and trainings; the same arguments give the same result on one kind of device.
        device: Where to train; on a GPU the folds of a candidate train as one batched program.
        on_progress: Called with (candidates done, candidates at most, a line to show); raising stops.

    Raises:
        TrainingError: There are fewer labels than folds, or no candidate, or what `train` raises.
    """
    recipes = default_candidates() if candidates is None else tuple(candidates)
    if not recipes or not 2 <= folds <= 10 or len(labeled) < folds:
        raise TrainingError(
            "expected a candidate or more, 2 to 10 folds and a label or more for each, "
            f"got {len(recipes)} candidates, {folds} folds and {len(labeled)} labels"
        )
    climb = _Climb(labeled, build, folds_of(labeled, folds, seed), seed, device, on_progress, len(recipes))
    ladder = sorted(recipes, key=lambda recipe: (_cost(recipe, labeled), recipe.learning_rate))
    for _, rung in groupby(ladder, key=lambda recipe: _cost(recipe, labeled)):
        if not climb.takes(list(rung)):
            break
    tried = {trial.recipe: trial for trial in climb.table}
    table = tuple(tried.get(recipe) or _untried(recipe, labeled) for recipe in ladder)
    return Tuning(recipe=cheapest_of_the_best(climb.table).recipe, table=table, folds=folds, labels_used=len(labeled))


def cheapest_of_the_best(table: Sequence[Trial]) -> Trial:
    """Return the cheapest trial that is not a point worse than the best; of equals the better.

    >>> dear = Trial(recipe=SupervisedRecipe(), accuracies=(0.9, 0.8), seconds=9.0, cost=9)
    >>> cheap = replace(dear, accuracies=(0.9, 0.79), cost=1)
    >>> bad = replace(dear, accuracies=(0.9, 0.7), cost=1)
    >>> cheapest_of_the_best([bad, cheap, dear]) == cheap
    True
    """
    best = _best(table)
    return min((trial for trial in table if not trial.loses_to(best)), key=lambda trial: (trial.cost, -trial.mean))


def folds_of(labeled: LabeledImages, folds: int, seed: int) -> Tensor:
    """Return the fold of each image, int64 (N,): classes dealt evenly, in an order drawn by sample id."""
    drawn = per_sample_uniform(seed, labeled.ids.numpy(), "folds")
    order = np.lexsort([drawn, labeled.targets.numpy()])
    fold = torch.empty(len(labeled), dtype=torch.int64)
    fold[torch.from_numpy(order)] = torch.arange(len(labeled)) % folds
    return fold


@dataclass
class _Climb:
    """Tries rung after rung, and keeps what it found."""

    labeled: LabeledImages
    build: Callable[[int], nn.Module]
    fold: Tensor
    seed: int
    device: torch.device
    on_progress: Progress | None
    planned: int
    table: list[Trial] = field(default_factory=list)
    lost: set[float] = field(default_factory=set)  # learning rates

    def takes(self, rung: Sequence[SupervisedRecipe]) -> bool:
        """Try the candidates of a rung whose rates have not lost before; return whether to go on to the next."""
        tried = [self._try(recipe) for recipe in rung if recipe.learning_rate not in self.lost]
        if not tried:
            return True
        best, before = _best(tried), _best(self.table) if self.table else None
        self.table += tried
        self.lost |= {trial.recipe.learning_rate for trial in tried} - {best.recipe.learning_rate}
        return before is None or before.loses_to(best)

    def _try(self, recipe: SupervisedRecipe) -> Trial:
        began, folds = time.monotonic(), int(self.fold.max()) + 1
        lessons = [self._lesson(fold) for fold in range(folds)]
        accuracies = [0.0] * folds
        for number, _ in train_together(lessons, recipe, device=self.device, on_progress=self._tell):
            held_out = _where(self.labeled, self.fold == number)
            accuracies[number] = validate(lessons[number].model, held_out, self.device).accuracy
        seconds = round(time.monotonic() - began, 3)
        return Trial(recipe=recipe, accuracies=tuple(accuracies), seconds=seconds, cost=_cost(recipe, self.labeled))

    def _lesson(self, fold: int) -> Lesson:
        own = derive_seed(self.seed, "tuning", fold)
        return Lesson(model=self.build(own), labeled=_where(self.labeled, self.fold != fold), seed=own)

    def _tell(self, done: int, total: int, text: str) -> None:
        if self.on_progress is not None:
            trials = len(self.table) + 1
            self.on_progress(len(self.table), self.planned, f"tuning, recipe {trials}: step {done:,} of {total:,}")


def _best(table: Sequence[Trial]) -> Trial:
    return max(table, key=lambda trial: (trial.mean, -trial.cost))


def _cost(recipe: SupervisedRecipe, labeled: LabeledImages) -> int:
    return recipe.steps(len(labeled)) * recipe.batch_size


def _untried(recipe: SupervisedRecipe, labeled: LabeledImages) -> Trial:
    return Trial(recipe=recipe, accuracies=(), seconds=0.0, cost=_cost(recipe, labeled))


def _where(images: LabeledImages, mask: Tensor) -> LabeledImages:
    return images.take(mask)


def _standard_error(values: Sequence[float]) -> float:
    return stdev(values) / math.sqrt(len(values))
