import numpy as np
import pytest

from pipeline.experiment import choose_recipe
from pipeline.experiment.protocols import copy_rounds_of, strategy_of
from pipeline.strategies.dfal import DFAL0
from pipeline.training.paper import PaperRecipe
from pipeline.training.recipes import RECIPES
from tests.pipeline.experiment.worlds import CPU, digits, run, settings, told


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("dfal_0", "Subsampled(base={short}, size=300)"),
        ("dfal", "WithCopies(base=Subsampled(base={short}, size=300), norm='l2', overshoot=0.0, max_iterations=10,"),
        ("dfal_0+subsampled(size=50)", "Subsampled(base={short}, size=50)"),
        ("dfal_0+class_balanced", "ClassBalanced(base=Subsampled(base={short}, size=300)"),
        ("mixed(dfal_0=0.5, margin=0.5)", "Mixed(parts=((Subsampled(base={short}, size=300), 0.5), (Margin(), 0.5)))"),
        ("random_sampling+copies", "WithCopies(base=RandomSampling(), norm='l2', overshoot=0.0, max_iterations=10,"),
        ("margin", "Margin()"),
    ],
)
def test_the_papers_protocol_has_short_attacks_on_300_candidates(spec, expected):
    short = repr(DFAL0(overshoot=0.0, max_iterations=10))
    assert repr(strategy_of(spec, "paper")).startswith(expected.format(short=short))
    assert "300" not in repr(strategy_of(spec, "fair"))


def test_copies_train_for_some_rounds_or_for_good():
    assert copy_rounds_of(settings("dfal", copy_rounds=4)) == 4
    assert copy_rounds_of(settings("dfal", copy_rounds=4, protocol="paper")) is None


def test_the_paper_trains_by_its_own_recipe_and_counts_validation_labels():
    wanted = settings("dfal", protocol="paper", labels=20)
    chosen = choose_recipe(digits(), wanted, device=CPU)
    assert chosen.recipe == PaperRecipe()
    assert chosen.labels_spent == 0
    points = run("dfal", wanted, recipe=PaperRecipe(restarts=2, epochs=3), seeds=(0,))[0]
    assert [point.labels for point in points] == [12, 20]
    assert points[1].figures["looked_at"] == 48
    assert points[1].figures["copies_trained"] > 0


def test_the_papers_ceal_forgets_its_pseudo_labels():
    wanted = settings("ceal(threshold=2.2)", protocol="paper", labels=20)
    assert run(wanted.strategies[0], wanted, seeds=(0,))[0][1].figures["pseudo_trained"] == 0
    fair = settings("ceal(threshold=2.2)", labels=20)
    assert run(fair.strategies[0], fair, seeds=(0,))[0][1].figures["pseudo_trained"] > 0


def test_a_named_recipe_costs_no_labels():
    chosen = choose_recipe(digits(), settings(recipe="supervised"), device=CPU)
    assert (chosen.recipe, chosen.labels_spent, dict(chosen.about)) == (RECIPES["supervised"], 0, {})


def test_tuning_counts_its_labels_and_is_found_again(tmp_path, monkeypatch):
    from pipeline.experiment import recipes

    cheap = [RECIPES["quick"].__class__(least_steps=steps, most_steps=steps, epochs=1, window=5) for steps in (5, 10)]
    tune, calls = recipes.tune_recipe, []

    def tune_some(labeled, build, **more):
        calls.append(labeled)
        return tune(labeled, build, cheap, folds=2, **more)

    monkeypatch.setattr(recipes, "tune_recipe", tune_some)  # the real one, on two small recipes
    wanted = settings(recipe="tuned", labels=24)
    chosen = choose_recipe(digits(), wanted, device=CPU, folder=tmp_path)
    assert chosen.recipe in cheap
    assert chosen.labels_spent == len(calls[0]) == 24
    assert [item["least_steps"] for item in chosen.about["tried"]] == [item.least_steps for item in cheap]
    assert [item["taken"] for item in chosen.about["tried"]] == [item == chosen.recipe for item in cheap]
    again = choose_recipe(digits(), wanted, device=CPU, folder=tmp_path)
    assert (again.recipe, again.about, len(calls)) == (chosen.recipe, chosen.about, 1)


def test_tuning_labels_are_those_of_no_seed_that_is_compared():
    from pipeline.experiment.recipes import TUNING_SEED

    assert TUNING_SEED < 0
    asked = run("random_sampling", settings(labels=24, seed_labels=24), seeds=(0, 1))
    assert len({point.queried for points in asked.values() for point in points}) == 2
    assert np.all([point.labels == 24 for points in asked.values() for point in points])
    assert told(asked)[0] != told(asked)[1]
