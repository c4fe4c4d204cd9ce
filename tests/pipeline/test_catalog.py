from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest

from pipeline import catalog
from pipeline.models.registry import build_model
from pipeline.strategies.registry import get_strategy
from pipeline.training.recipes import RECIPES, Balance, Mixing, recipe_by_name


def test_importing_the_catalog_and_the_statistics_imports_no_torch() -> None:
    code = "import sys, pipeline, pipeline.catalog, pipeline.statistics; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", catalog.STRATEGIES)
def test_each_strategy_of_the_catalog_exists_under_its_name(name: str) -> None:
    assert get_strategy(name).name == name


@pytest.mark.parametrize("name", catalog.MODELS)
def test_each_model_of_the_catalog_can_be_built(name: str) -> None:
    model = build_model(name, classes=3, channels=1, image_size=32, seed=0)
    assert model.architecture.name == name


def test_recipes_and_catalog_name_the_same() -> None:
    assert set(RECIPES) == set(catalog.RECIPES)
    assert all(recipe_by_name(name) == recipe for name, recipe in RECIPES.items())


def test_entries_are_one_line_and_keyed_by_their_name() -> None:
    for table in (catalog.STRATEGIES, catalog.MODELS, catalog.RECIPES):
        for name, entry in table.items():
            assert entry.name == name
            assert entry.summary
            assert entry.reference
            assert "\n" not in entry.summary


def test_choices_of_a_recipe_and_catalog_name_the_same() -> None:
    assert set(catalog.BALANCES) == set(get_args(Balance))
    assert set(catalog.MIXINGS) == set(get_args(Mixing))
