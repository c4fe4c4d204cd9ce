from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.errors import TrainingError
from pipeline.training.recipes import SupervisedRecipe, recipe_by_name
from pipeline.training.schedule import Schedule

RECIPE = SupervisedRecipe(learning_rate=1.0, warmup=0.1, patience=3, progress=0.1)


def test_the_rate_rises_and_then_falls_to_zero() -> None:
    schedule = Schedule(RECIPE, budget=100)
    rates = [schedule.rate(step) for step in range(100)]
    assert rates[:11] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.0])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[99] < 0.001


def test_a_loss_that_stands_still_begins_the_cooling() -> None:
    schedule = Schedule(RECIPE, budget=1000)
    for step, loss in ((100, 2.0), (110, 1.0), (120, 0.95), (130, 1.1), (140, 0.99)):
        assert schedule.last == 1000
        schedule.observe(step, loss)
    assert schedule.last == 140 + 35
    assert schedule.rate(140) == pytest.approx(Schedule(RECIPE, budget=1000).rate(140))  # no jump
    assert schedule.rate(174) < 0.01
    schedule.observe(150, 5.0)
    assert schedule.last == 175  # decided once


def test_a_falling_loss_goes_on_and_patience_zero_never_stops() -> None:
    falling, never = Schedule(RECIPE, budget=1000), Schedule(replace(RECIPE, patience=0), budget=1000)
    for step in range(10, 300, 10):
        falling.observe(step, 0.85 ** (step / 10) * 100)
        never.observe(step, 1.0)
    assert falling.last == never.last == 1000


def test_a_loss_near_zero_has_nothing_left_to_learn() -> None:
    schedule = Schedule(RECIPE, budget=1000)
    for step, loss in ((10, 0.004), (20, 0.003), (30, 0.002), (40, 0.001)):
        schedule.observe(step, loss)
    assert schedule.last == 50


@pytest.mark.parametrize(("count", "steps"), [(1, 100), (20, 100), (320, 100), (1000, 320), (50_000, 2000)])
def test_the_budget_suits_few_and_many_labels(count: int, steps: int) -> None:
    assert SupervisedRecipe(batch_size=32, epochs=10, least_steps=100, most_steps=2000).steps(count) == steps


def test_the_record_can_be_read_back() -> None:
    recipe = SupervisedRecipe(learning_rate=0.5, augmentation="none")
    assert eval(repr(recipe), {"SupervisedRecipe": SupervisedRecipe}) == recipe  # noqa: S307


@pytest.mark.parametrize(
    "fields", [{"batch_size": 1}, {"least_steps": 0}, {"least_steps": 9, "most_steps": 8}, {"copies_share": 0.6}]
)
def test_impossible_recipes_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(TrainingError):
        SupervisedRecipe(**fields)


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(TrainingError, match="did you mean supervised"):
        recipe_by_name("supervise")
    with pytest.raises(TrainingError, match="choose one of: supervised"):
        recipe_by_name("x")
