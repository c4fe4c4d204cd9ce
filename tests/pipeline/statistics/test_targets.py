from __future__ import annotations

import pytest

from pipeline.statistics import accuracy_at, labels_to
from pipeline.statistics.blocks import common_block
from pipeline.statistics.targets import at_budget, default_budgets, default_targets, to_target
from tests.pipeline.statistics.made import run, runs


def test_the_first_crossing_lies_on_the_line_between_points() -> None:
    curve = run("a", 0, [0.5, 0.7, 0.6, 0.9])
    assert labels_to(curve, 0.55) == pytest.approx(25)
    assert labels_to(curve, 0.7) == 40  # reached at the point itself, although the next one falls back
    assert labels_to(curve, 0.75) == pytest.approx(70)
    assert labels_to(curve, 0.5) == 20
    assert labels_to(curve, 0.3) == 20  # above it from the start: at most the first labels
    assert labels_to(curve, 0.91) is None


def test_runs_that_never_get_there_count_as_slower_than_all_others() -> None:
    curves = [run("a", seed, [0.5, 0.5 + step]) for seed, step in enumerate((0.4, 0.2, 0.1, 0.0, 0.05))]
    found = to_target(curves, 0.6, last=40)
    assert (found.reached, found.seeds, found.unfinished) == (3, 5, 0)
    assert found.median == pytest.approx(40)  # the third of five, not the second of three
    assert (found.fewest, found.most) == (pytest.approx(25), pytest.approx(40))


def test_without_a_majority_there_is_no_median() -> None:
    curves = [run("a", seed, [0.5, top]) for seed, top in enumerate((0.9, 0.9, 0.5, 0.5))]
    assert to_target(curves, 0.8, last=40).median is None
    assert to_target(curves[:3], 0.8, last=40).median is not None
    never = to_target(curves[2:], 0.8, last=60)
    assert (never.reached, never.fewest, never.unfinished) == (0, None, 2)


def test_a_budget_buys_the_newest_model_that_it_pays_for() -> None:
    curve = run("a", 0, [0.5, 0.7, 0.9])
    assert [accuracy_at(curve, budget) for budget in (19, 20, 39, 40, 60, 61)] == [None, 0.5, 0.5, 0.7, 0.9, None]
    assert at_budget([curve, run("a", 1, [0.6])], 40, 0.95).accuracy.seeds == 1
    assert at_budget([curve], 5, 0.95) is None


def test_defaults_are_spread_over_what_there_is() -> None:
    assert default_budgets([10]) == (10,)
    assert default_budgets(range(10, 101, 10)) == (30, 50, 80, 100)
    curves = runs("a", 0, range(3))
    assert default_targets({"a": curves}, {"a": common_block(curves)}) == (0.6, 0.7, 0.8)
