"""The recipe that all arms of a network train by: by name, tuned on random labels alone, or the paper's."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.errors import ExperimentError
from pipeline.experiment.augmentations import Augment
from pipeline.experiment.data import ExperimentData
from pipeline.experiment.keys import key_of
from pipeline.experiment.records import Settings
from pipeline.files import atomic_write_bytes
from pipeline.models.base import Classifier
from pipeline.models.registry import build_model
from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.training.dispatch import Recipe
from pipeline.training.labeled import LabeledImages
from pipeline.training.paper import PaperRecipe
from pipeline.training.recipes import SupervisedRecipe, recipe_by_name
from pipeline.training.tuning import Trial, Tuning, tune_recipe

Progress = Callable[[int, int, str], None]

TUNED = "tuned"
TUNING_SEED = -1  # not one that is compared
MOST_LABELS = 300  # enough to tell recipes apart; more would only be spent


@dataclass(frozen=True, kw_only=True)
class ChosenRecipe:
    """How the classifiers of a comparison train, and what it cost to find out.

    Attributes:
        recipe: The same for all arms of a network.
        labels_spent: Labels that tuning looked at, apart from those of the curves; 0 without tuning.
        about: What was tried and found, as plain values for the record; empty without tuning.
    """

    recipe: Recipe
    labels_spent: int = 0
    about: Mapping[str, Any] = field(default_factory=dict)


def choose_recipe(
    data: ExperimentData,
    settings: Settings,
    *,
    model: str | None = None,
    device: torch.device,
    folder: Path | None = None,
    on_progress: Progress | None = None,
) -> ChosenRecipe:
    """Return the recipe that all arms of a network train by; 'tuned' tunes one first, on random labels of the pool.

    The test set is never looked at. The paper's protocol has a recipe of its own, whatever the settings name.

    Args:
        data: All images of the comparison; `settings.imbalance` is applied here.
        settings: The comparison.
        model: The network; None is the one that asks. A transfer's second network gets a recipe of its own.
        device: Where to tune.
        folder: Where to keep what tuning found, so that a comparison that goes on finds it again.
        on_progress: Called with (done, total, a line to show); raising stops.

    Raises:
        TrainingError: There is no recipe of that name, or too few labels to tune on.
    """
    if settings.protocol == "paper":
        return ChosenRecipe(recipe=PaperRecipe())
    if settings.recipe != TUNED:
        return ChosenRecipe(recipe=recipe_by_name(settings.recipe))
    data, network = data.for_settings(settings), model or settings.model
    count = min(settings.labels, MOST_LABELS)
    key = key_of("tuning", data.fingerprint(), network, count, device.type)
    path = None if folder is None else folder / "recipes" / f"{key}.json"
    kept = None if path is None else _read(path)
    if kept is not None:
        return kept
    found = _chosen(_tune(data, network, count, device, on_progress))
    if path is not None:
        record = {"recipe": asdict(found.recipe), "labels_spent": found.labels_spent, "about": dict(found.about)}
        atomic_write_bytes(path, json.dumps(record, indent=1).encode())
    return found


def augmented(recipe: Recipe, augment: Augment) -> Recipe:
    """Return the recipe of an arm that does something for rare classes: all else in it stays the same.

    Raises:
        ExperimentError: The paper's recipe, which balances nothing.

    >>> augmented(SupervisedRecipe(), Augment(balance="sampling")).balance
    'sampling'
    """
    if augment.balance == "none":
        return recipe
    if not isinstance(recipe, SupervisedRecipe):
        raise ExperimentError(f"expected a recipe that can balance classes, got {type(recipe).__name__}; use 'fair'")
    return replace(recipe, balance=augment.balance, decoupled=augment.decoupled)


def _read(path: Path) -> ChosenRecipe | None:
    """Return what was tuned before; None where that is missing or cannot be read, and then it is tuned again."""
    try:
        record = json.loads(path.read_bytes())
        recipe = SupervisedRecipe(**record["recipe"])
        return ChosenRecipe(recipe=recipe, labels_spent=record["labels_spent"], about=record["about"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tune(data: ExperimentData, network: str, count: int, device: torch.device, on_progress: Progress | None) -> Tuning:
    ids = data.pool.ids
    chance = per_sample_uniform(derive_seed(TUNING_SEED, "tuning"), ids, "labels")
    some = ids[np.lexsort((ids, chance))[:count]]
    labeled = LabeledImages(
        images=data.pool.take(some),
        targets=torch.from_numpy(data.targets_of(some)),
        ids=torch.from_numpy(some.copy()),
    )
    channels, _, side = data.pool.image_shape

    def build(seed: int) -> Classifier:
        return build_model(network, classes=len(data.classes), channels=channels, image_size=side, seed=seed)

    seed = derive_seed(TUNING_SEED, "train", network)
    return tune_recipe(labeled, build, seed=seed, device=device, on_progress=on_progress)


def _chosen(tuning: Tuning) -> ChosenRecipe:
    about = {
        "folds": tuning.folds,
        "labels": tuning.labels_used,
        "tried": [_told(trial, tuning) for trial in tuning.table],
    }
    return ChosenRecipe(recipe=tuning.recipe, labels_spent=tuning.labels_used, about=about)


def _told(trial: Trial, tuning: Tuning) -> dict[str, Any]:
    """Return a candidate in plain values: what sets it apart, and its figures; None where it was not tried."""
    recipes = [asdict(other.recipe) for other in tuning.table]
    varied = {name: value for name, value in asdict(trial.recipe).items() if any(one[name] != value for one in recipes)}
    low, high = trial.interval
    figures = {"accuracy": trial.mean, "low": low, "high": high}
    known = {name: None if math.isnan(value) else round(value, 4) for name, value in figures.items()}
    return {**varied, **known, "seconds": round(trial.seconds, 1), "taken": trial.recipe == tuning.recipe}
