"""How the networks of a comparison train: decided once, kept with the comparison, and read from there ever after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from db import comparison_log
from db.records import Comparison
from flows.compare.units import one_thread
from flows.errors import UsageError
from flows.report import Reporter
from flows.store import Store
from pipeline.experiment.planning import arms
from pipeline.experiment.records import Settings
from pipeline.training.paper import PaperRecipe
from pipeline.training.recipes import SupervisedRecipe

if TYPE_CHECKING:
    from pipeline.experiment import ChosenRecipe, ExperimentData

Recipe = SupervisedRecipe | PaperRecipe
_KINDS: dict[str, type[Recipe]] = {"SupervisedRecipe": SupervisedRecipe, "PaperRecipe": PaperRecipe}


def recipes_of(
    store: Store, comparison: Comparison, data: ExperimentData, settings: Settings, device: str, reporter: Reporter
) -> dict[str, Recipe]:
    """Return the recipe of each network, tuned now if the comparison wants that and it was not done before.

    Args:
        store: The open store.
        comparison: Keeps what is found in its `about`, so that going on never tunes again.
        data: The images.
        settings: What is compared.
        device: Where to tune.
        reporter: Receives the progress; may raise to stop.
    """
    from pipeline.experiment import choose_recipe

    kept = dict(comparison.about.get("recipes", {}))
    for network in dict.fromkeys([settings.model, *(arm.trains for arm in arms(settings) if arm.trains)]):
        if network in kept:
            continue
        with one_thread(device):
            chosen = choose_recipe(
                data, settings, model=network, device=torch.device(device), on_progress=reporter.progress
            )
        kept[network] = _plain(chosen)
        first = kept[settings.model]
        said = {"recipes": kept, "recipe": first["recipe"], "tuning": first["tuning"]}
        comparison_log.add_about(store.database, store.actor, comparison.id, said)
    return {network: recipe_of(one["recipe"]) for network, one in kept.items()}


def _plain(chosen: ChosenRecipe) -> dict[str, Any]:
    recipe = {"kind": type(chosen.recipe).__name__, **asdict(chosen.recipe)}
    return {"recipe": recipe, "tuning": {**chosen.about, "labels_spent": chosen.labels_spent}}


def recipe_of(plain: Mapping[str, Any]) -> Recipe:
    """Return the recipe that was kept as plain values.

    Raises:
        UsageError: Another version of Borderline wrote it.
    """
    values = dict(plain)
    try:
        return _KINDS[values.pop("kind")](**values)
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"expected a recipe of this version of Borderline, got another ({error}); start a new comparison"
        ) from error
