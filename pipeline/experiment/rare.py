"""What an arm does for rare classes beside its recipe: images from a generator, as far as the gate lets them in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from pipeline.augmentation.filling import Filled, as_training, fill
from pipeline.augmentation.material import Material
from pipeline.augmentation.quality import TrainPlan
from pipeline.errors import ExperimentError
from pipeline.experiment.augmentations import Augment
from pipeline.experiment.data import ExperimentData
from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.training.batched import Lesson
from pipeline.training.dispatch import Recipe
from pipeline.training.labeled import LabeledImages
from pipeline.training.recipes import SupervisedRecipe

Progress = Callable[[int, int, str], None]
Figures = dict[str, float | int | str]

RARE = 0.5  # of the mean number of labels a class, as where rare classes are followed
_POOL_BYTES = 1 << 30  # of unlabeled images that a generator learns from


def rare_targets(labeled: LabeledImages, classes: int) -> list[int]:
    """Return the classes that have a label and fewer than half of the mean, by position.

    >>> targets = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 2])
    >>> images = LabeledImages(torch.zeros(9, 1, 4, 4, dtype=torch.uint8), targets, torch.arange(9))
    >>> rare_targets(images, 4)
    [2]
    """
    counts = torch.bincount(labeled.targets, minlength=classes).double()
    return [place for place, count in enumerate(counts.tolist()) if 0 < count < RARE * float(counts.mean())]


def with_images(
    lesson: Lesson,
    asked: Augment,
    data: ExperimentData,
    network: str,
    recipe: Recipe,
    *,
    device: torch.device,
    on_progress: Progress | None = None,
) -> tuple[Lesson, Figures]:
    """Return a lesson with the images that the gate lets in, and what to note about them.

    A quarter of the labels is set aside for the gate: makers and the gate's trainings see the rest. The lesson keeps
    all its labels. The seed is the lesson's.

    Raises:
        ExperimentError: The recipe takes no such images.
    """
    if not asked.maker:
        return lesson, {}
    if not isinstance(recipe, SupervisedRecipe):
        raise ExperimentError(f"expected a recipe that takes made images, got {type(recipe).__name__}; use 'fair'")
    seed, classes = derive_seed(lesson.seed, "rare classes"), len(data.classes)
    material = Material.from_labels(
        lesson.labeled,
        classes=classes,
        train=TrainPlan(model=network, recipe=recipe),
        seed=seed,
        pool=_unlabeled(data, lesson.labeled, seed) if asked.pool else None,
    )
    targets = rare_targets(lesson.labeled, classes)
    filled = fill(asked.maker, targets, material, seed=seed, device=device, on_progress=on_progress)
    return replace(lesson, synthetic=as_training(filled)), _figures(filled, data.classes)


def _unlabeled(data: ExperimentData, labeled: LabeledImages, seed: int) -> torch.Tensor:
    """Return images of the pool that have no label, as many as memory takes, uint8 (P, C, S, S)."""
    ids = np.setdiff1d(data.pool.ids, labeled.ids.numpy())
    order = np.argsort(per_sample_uniform(seed, ids, "generator"), kind="stable")
    return data.pool.take(np.sort(ids[order[: _POOL_BYTES // int(np.prod(data.pool.image_shape))]]))


def _figures(filled: tuple[Filled, ...], classes: tuple[str, ...]) -> Figures:
    accepted = [one for one in filled if one.weight]
    verdicts = {f"gate, {classes[one.target]}": f"{one.verdict}: {one.reason}" for one in filled}
    return {
        "synthetic_trained": sum(len(one.images) for one in accepted),
        "gate_accepted": len(accepted),
        "gate_refused": len(filled) - len(accepted),
        **verdicts,
    }
