from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.errors import TrainingError
from pipeline.training.labeled import LabeledImages
from pipeline.training.recipes import SupervisedRecipe
from pipeline.training.tuning import Trial, Tuning, cheapest_of_the_best, default_candidates, folds_of, tune_recipe
from tests.pipeline.toys import CPU, Linear, stripes

BASE = SupervisedRecipe(batch_size=8, window=10, augmentation="none", learning_rate=1e-2)


def build(seed: int) -> nn.Module:
    return Linear(torch.randn(4, 256, generator=torch.Generator().manual_seed(seed)) / 16, torch.zeros(4))


def recipe(steps: int, rate: float = 1e-2) -> SupervisedRecipe:
    return replace(BASE, epochs=1, least_steps=steps, most_steps=steps, learning_rate=rate)


def tune(candidates: list[SupervisedRecipe], labels: int = 60, seed: int = 0, **options: object) -> Tuning:
    labeled = stripes(labels)
    return tune_recipe(labeled, build, candidates, seed=seed, device=CPU, **options)


def trial(accuracies: tuple[float, ...], cost: int, steps: int = 9) -> Trial:
    return Trial(recipe=recipe(steps), accuracies=accuracies, seconds=0.0, cost=cost)


def test_too_few_steps_lose_and_too_many_are_not_taken() -> None:
    found = tune([recipe(400), recipe(2), recipe(60), recipe(800)])
    assert found.recipe == recipe(60)
    assert [row.recipe.least_steps for row in found.table] == [2, 60, 400, 800]
    assert found.table[0].mean + 0.2 < found.table[1].mean
    assert found.table[3].accuracies == ()  # 400 were no better, so nothing dearer was tried
    assert (found.folds, found.labels_used) == (5, 60)


def test_a_rate_that_loses_is_not_tried_again() -> None:
    found = tune([recipe(20, 1e-6), recipe(20), recipe(60, 1e-6), recipe(60)])
    tried = {(row.recipe.least_steps, row.recipe.learning_rate): bool(row.accuracies) for row in found.table}
    assert tried == {(20, 1e-6): True, (20, 1e-2): True, (60, 1e-6): False, (60, 1e-2): True}


def test_the_same_arguments_give_the_same_table() -> None:
    first, again, other = (tune([recipe(20)], labels=20, seed=seed) for seed in (0, 0, 1))
    assert first.table[0].accuracies == again.table[0].accuracies
    assert first.table[0].accuracies != other.table[0].accuracies


def test_less_work_wins_when_it_costs_less_than_a_point() -> None:
    best = trial((0.9, 0.7, 0.8), cost=9)
    worse = trial((0.88, 0.68, 0.77), cost=1)  # by more than two points
    as_good = trial((0.8, 0.75, 0.83), cost=3)  # by 0.7 of a point
    assert worse.loses_to(best)
    assert not as_good.loses_to(best)
    assert cheapest_of_the_best([worse, as_good, best]) == as_good
    assert cheapest_of_the_best([best, replace(best, cost=2)]).cost == 2


def test_the_interval_is_students() -> None:
    from scipy.stats import t

    values = (0.7, 0.8, 0.85, 0.8)
    low, high = trial(values, cost=1).interval
    error = np.std(values, ddof=1) / 2
    assert (low, high) == pytest.approx(t.interval(0.95, 3, np.mean(values), error), abs=1e-3)
    assert trial((0.5, 1.0), cost=1).interval == (0.0, 1.0)
    assert np.isnan(trial((), cost=1).interval).all()


def test_folds_deal_each_class_evenly_whatever_the_order_of_images() -> None:
    labeled = stripes(47)
    fold = folds_of(labeled, 5, seed=0)
    assert sorted(fold.bincount().tolist()) == [9, 9, 9, 10, 10]
    for target in range(4):
        counts = fold[labeled.targets == target].bincount(minlength=5)
        assert int(counts.max() - counts.min()) <= 1
    turned = LabeledImages(labeled.images.flip(0), labeled.targets.flip(0), labeled.ids.flip(0))
    assert torch.equal(folds_of(turned, 5, seed=0).flip(0), fold)
    assert not torch.equal(folds_of(labeled, 5, seed=1), fold)


def test_no_image_is_validated_on_by_a_network_that_learned_from_it() -> None:
    networks: list[Watched] = []

    class Watched(Linear):
        def __init__(self) -> None:
            super().__init__(torch.zeros(4, 256), torch.zeros(4))
            self.learned: set[bytes] = set()
            self.judged: set[bytes] = set()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            (self.learned if self.training else self.judged).update(image.numpy().tobytes() for image in images)
            return super().forward(images)

    def watched(seed: int) -> nn.Module:
        networks.append(Watched())
        return networks[-1]

    tune_recipe(stripes(20), watched, [recipe(20)], folds=4, seed=0, device=CPU)
    assert [len(network.judged) for network in networks] == [5] * 4
    assert [len(network.learned) for network in networks] == [15] * 4
    assert all(network.learned.isdisjoint(network.judged) for network in networks)
    assert len(set.union(*(network.judged for network in networks))) == 20


def test_progress_and_clear_errors() -> None:
    told: list[tuple[int, int, str]] = []
    tune([recipe(20)], on_progress=lambda *line: told.append(line))
    assert told[0] == (0, 1, "tuning, recipe 1: step 20 of 20")
    with pytest.raises(TrainingError, match="got 1 candidates, 5 folds and 4 labels"):
        tune([recipe(20)], labels=4)
    with pytest.raises(TrainingError, match="got 0 candidates"):
        tune([])


def test_the_default_candidates_are_the_supervised_recipe_with_other_steps_and_rates() -> None:
    plain = SupervisedRecipe()
    for one in default_candidates():
        assert replace(one, least_steps=plain.least_steps, learning_rate=plain.learning_rate, window=100) == plain
    assert plain in default_candidates()
