"""Trains makers of images for some rare classes: one generator for all of them, or a translation for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pipeline.augmentation.gan.recipe import GAN_RECIPES, GanRecipe
from pipeline.augmentation.gan.training import train_gan
from pipeline.augmentation.gan.trusted import trusted_by_class
from pipeline.augmentation.material import Material
from pipeline.augmentation.records import ImageMaker
from pipeline.augmentation.translation import TranslationRecipe, nearest_common_class, train_translation
from pipeline.augmentation.translation.nearest import ENOUGH
from pipeline.data.pool import ImagePool
from pipeline.errors import TrainingError
from pipeline.models.base import Classifier
from pipeline.randomness import derive_seed
from pipeline.training.inference import predict_logits
from pipeline.training.labeled import LabeledImages

Kind = Literal["gan", "translation"]
Recipe = GanRecipe | TranslationRecipe
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Maker:
    """What makes images of a class, if it does.

    Attributes:
        maker: None where it could not be trained.
        failure: Why there is none, or why it is not worth using; empty when all is well.
    """

    maker: ImageMaker | None
    failure: str = ""


def usual_recipe(kind: Kind, device: torch.device) -> Recipe:
    """Return the recipe that suits a device."""
    if kind == "translation":
        return TranslationRecipe()
    return GAN_RECIPES["standard" if device.type == "cuda" else "small"]


def train_makers(
    kind: Kind,
    targets: Sequence[int],
    material: Material,
    *,
    seed: int,
    device: torch.device,
    recipe: Recipe | None = None,
    on_progress: Progress | None = None,
) -> dict[int, Maker]:
    """Train what makes images of some classes.

    Args:
        kind: 'gan' or 'translation'.
        targets: Class positions; none trains nothing.
        material: What may be learned from.
        seed: Of everything random.
        device: Where to train.
        recipe: Of the maker; None takes the usual one of the device.
        on_progress: Called with (steps done, steps planned, a line to show); raising stops.

    Raises:
        TrainingError: The images do not belong together, or a loss is not finite.
    """
    if not targets:
        return {}
    asked = recipe or usual_recipe(kind, device)
    if isinstance(asked, GanRecipe):
        return dict.fromkeys(targets, _generator(asked, material, seed, device, on_progress))
    guess = _first_guess(material, seed, device)
    return {target: _translation(target, asked, material, guess, seed, device, on_progress) for target in targets}


def _first_guess(material: Material, seed: int, device: torch.device) -> Classifier:
    """Return a classifier of the labels alone, which tells what pool images may be and which classes look alike."""
    own = derive_seed(seed, "first guess")
    return material.train.fit(material.labeled, classes=material.classes, seed=own, device=device)


def _generator(
    recipe: GanRecipe, material: Material, seed: int, device: torch.device, on_progress: Progress | None
) -> Maker:
    trusted, shares = None, None
    if material.pool is not None:
        trusted, shares = _guessed(_first_guess(material, seed, device), material.labeled, material.pool, device)
    maker, report = train_gan(
        recipe, material.labeled, classes=material.classes, pool=material.pool, trusted=trusted, pool_shares=shares,
        seed=derive_seed(seed, "gan"), device=device, on_progress=on_progress,
    )  # fmt: skip
    return Maker(maker=maker, failure=report.reason or "")


def _guessed(
    guess: Classifier, labeled: LabeledImages, pool: Tensor, device: torch.device
) -> tuple[LabeledImages | None, tuple[float, ...]]:
    """Return the pool images whose class the first guess is sure of, and the share of each class in the pool."""
    _, logits = predict_logits(guess, ImagePool.from_tensor(pool), device=device)  # (P, K)
    places, targets = trusted_by_class(logits)
    shares = tuple(logits.double().softmax(dim=1).mean(dim=0).tolist())
    if not len(places):
        return None, shares
    apart = int(labeled.ids.max()) + 1  # the pool has no ids here; trusted images meet none of the labeled
    return LabeledImages(pool[places], targets, apart + places), shares


def _translation(
    target: int, recipe: TranslationRecipe, material: Material, guess: Classifier, seed: int, device: torch.device,
    on_progress: Progress | None,
) -> Maker:  # fmt: skip
    counts = np.bincount(material.labeled.targets.numpy(), minlength=material.classes)
    try:
        source = nearest_common_class(guess, material.labeled, target, enough=min(ENOUGH, int(counts.max())))
        maker, report = train_translation(
            recipe, material.of_class(source), material.of_class(target),
            seed=derive_seed(seed, "translation", target), device=device, on_progress=on_progress,
        )  # fmt: skip
    except TrainingError as error:
        return Maker(maker=None, failure=str(error))
    return Maker(maker=maker, failure=report.reason or "")
