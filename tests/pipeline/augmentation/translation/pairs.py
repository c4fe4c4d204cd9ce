"""Two classes of small images, and a recipe that takes a second."""

from __future__ import annotations

from dataclasses import replace

import torch

from pipeline.augmentation.translation import TranslationRecipe
from pipeline.training.labeled import LabeledImages
from tests.pipeline.toys import stripes

TINY = TranslationRecipe(width=4, blocks=1, steps=12, batch_size=2, history=3, patience=2)


def of_class(target: int, count: int, seed: int = 0) -> LabeledImages:
    """The first so many stripes of a class."""
    images = stripes(200, seed=seed)
    rows = (images.targets == target).nonzero()[:count, 0]
    assert len(rows) == count
    return LabeledImages(images.images[rows], images.targets[rows], images.ids[rows])


def bright_and_dark(count: int, rare: int) -> tuple[LabeledImages, LabeledImages]:
    """Dark stripes, and as a rare class the same kind of images with all pixels turned bright."""
    common, other = of_class(0, count), of_class(0, rare, seed=1)
    return common, replace(other, images=255 - other.images, targets=torch.full_like(other.targets, 1))
