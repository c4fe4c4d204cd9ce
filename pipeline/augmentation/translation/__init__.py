"""Images of a rare class made from images of a common one that looks like it (CycleGAN, arXiv:1703.10593)."""

from __future__ import annotations

from pipeline.augmentation.translation.maker import TranslationMaker
from pipeline.augmentation.translation.nearest import nearest_common_class
from pipeline.augmentation.translation.recipe import TranslationRecipe, TranslationReport
from pipeline.augmentation.translation.store import ids_of, load_maker, save_maker
from pipeline.augmentation.translation.training import train_translation

__all__ = [
    "TranslationMaker",
    "TranslationRecipe",
    "TranslationReport",
    "ids_of",
    "load_maker",
    "nearest_common_class",
    "save_maker",
    "train_translation",
]
