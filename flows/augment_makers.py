"""Trains, saves and loads makers of images of any kind: a generator of all classes, or a translation to one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from db import model_versions
from db.records import Project
from flows.augment_material import Material, Unlabeled
from flows.learning import device_of, load_version
from flows.store import Store
from pipeline.augmentation.gan.maker import GanMaker
from pipeline.augmentation.gan.maker import load_maker as load_gan
from pipeline.augmentation.gan.maker import save_maker as save_gan
from pipeline.augmentation.gan.recipe import GanRecipe
from pipeline.augmentation.gan.training import train_gan
from pipeline.augmentation.records import ImageMaker
from pipeline.augmentation.trained import Kind, Recipe, usual_recipe
from pipeline.augmentation.translation.maker import TranslationMaker
from pipeline.augmentation.translation.nearest import ENOUGH, nearest_common_class
from pipeline.augmentation.translation.recipe import TranslationRecipe
from pipeline.augmentation.translation.store import load_maker as load_translation
from pipeline.augmentation.translation.store import save_maker as save_translation
from pipeline.augmentation.translation.training import train_translation
from pipeline.errors import DataError
from pipeline.files import FileRecord

Told = Callable[[int, int, str], None]
OnSheet = Callable[[int, Tensor], None]

CHECKPOINT_SECONDS = 30.0
"""Least time between two checkpoints of a maker's training: what a kill costs at most."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training of a maker.

    Attributes:
        recipe: Says the kind, too.
        targets: Classes that it is for; a translation has one.
        seed: Of everything random in it.
        checkpoint: Where a killed one is taken up.
        told: Receives the progress; may raise to cancel.
        on_sheet: Receives (steps done, uint8 images) to look at.
    """

    recipe: Recipe
    targets: tuple[int, ...]
    seed: int
    checkpoint: Path
    told: Told
    on_sheet: OnSheet


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training gave.

    Attributes:
        maker: Makes the images.
        metrics: What the training measured, as plain values.
        failure: Why the maker is not worth using, None when it is.
    """

    maker: GanMaker | TranslationMaker
    metrics: dict[str, Any]
    failure: str | None

    def learned_from(self, material: Material) -> int:
        """How many labels trained it: all of them, or those of the two classes of a translation."""
        if isinstance(self.maker, TranslationMaker):
            return len(self.maker.common) + len(material.of_class(self.maker.target))
        return len(material.labeled)

    def save(self, path: Path, metadata: dict[str, str]) -> FileRecord:
        """Write the maker; the same one gives the same bytes."""
        if isinstance(self.maker, TranslationMaker):
            return save_translation(self.maker, path, metadata)
        return save_gan(self.maker, path, metadata)


def recipe_for(kind: Kind, device: torch.device, steps: int | None = None) -> Recipe:
    """Return the recipe that suits a device, with a number of steps of its own if one is given."""
    recipe = usual_recipe(kind, device)
    return recipe if steps is None else replace(recipe, steps=steps)


def kind_of(recipe: Recipe) -> Kind:
    """Return the kind of maker that a recipe trains."""
    return "gan" if isinstance(recipe, GanRecipe) else "translation"


def train_maker(
    store: Store, project: Project, material: Material, unlabeled: Unlabeled | None, training: Training
) -> Trained:
    """Train a maker on what may be learned from, or go on from its checkpoint.

    Raises:
        TrainingError: The images do not suffice for it, or a loss is not finite.
        ModelError: It has no networks for images of this size.
    """
    if isinstance(training.recipe, TranslationRecipe):
        return _translation(store, project, material, training, training.recipe)
    return _gan(store, material, unlabeled, training, training.recipe)


def _gan(
    store: Store, material: Material, unlabeled: Unlabeled | None, training: Training, recipe: GanRecipe
) -> Trained:
    maker, report = train_gan(
        recipe,
        material.labeled,
        classes=material.outputs,
        pool=None if unlabeled is None else unlabeled.images,
        trusted=None if unlabeled is None else unlabeled.trusted,
        pool_shares=None if unlabeled is None else unlabeled.shares,
        seed=training.seed,
        device=device_of(store),
        checkpoint=training.checkpoint,
        checkpoint_seconds=CHECKPOINT_SECONDS,
        on_progress=training.told,
        on_sheet=training.on_sheet,
    )
    told = asdict(report)
    last = told.pop("looks")[-1:]
    return Trained(maker=maker, metrics=_plain({**told, "last_look": last}), failure=report.reason)


def _translation(
    store: Store, project: Project, material: Material, training: Training, recipe: TranslationRecipe
) -> Trained:
    (target,) = training.targets
    maker, report = train_translation(
        recipe,
        material.of_class(_source_for(store, project, material, target)),
        material.of_class(target),
        seed=training.seed,
        device=device_of(store),
        checkpoint=training.checkpoint,
        checkpoint_seconds=CHECKPOINT_SECONDS,
        on_progress=training.told,
        on_sheet=training.on_sheet,
    )
    return Trained(maker=maker, metrics=_plain(asdict(report)), failure=report.reason or None)


def _source_for(store: Store, project: Project, material: Material, target: int) -> int:
    """Return the common class to translate from: the one that the last model finds most like the rare one."""
    counts = material.counts
    largest = max(counts.values())
    version = model_versions.current(store.database, project.id)
    if version is None:
        others = [position for position in counts if position != target]
        return max(others, key=lambda position: (counts[position], -position))
    model = load_version(store, version).to(device_of(store)).eval()
    return nearest_common_class(model, material.labeled, target, enough=min(ENOUGH, largest))


def load_maker(store: Store, kind: Kind, path: str, sha256: str, material: Material) -> ImageMaker | None:
    """Load a maker to make more; None for a translation whose common images are not all labeled as they were.

    Raises:
        FileDamaged: The file is not the one that was written.
        ModelError: It is of another kind.
    """
    if kind == "gan":
        maker = load_gan(store.path(path), sha256)[0]
        maker.generator.to(device_of(store))
        return maker
    try:
        translation = load_translation(store.path(path), sha256, material.labeled)[0]
    except DataError:
        return None
    translation.translator.to(device_of(store))
    return translation


def _plain(value: Any) -> Any:
    """Return what JSON takes: lists for tuples, None for what is not a number."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
