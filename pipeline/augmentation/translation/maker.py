"""A trained translation as a maker of images: it draws common images by seed and translates them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.augmentation.drawing import draw
from pipeline.augmentation.translation.applying import translate
from pipeline.augmentation.translation.networks import Translator
from pipeline.errors import ModelError
from pipeline.training.labeled import LabeledImages


@dataclass(frozen=True, kw_only=True)
class TranslationMaker:
    """Makes images of one rare class from images of one common class; an `ImageMaker`.

    Give it more common images by `dataclasses.replace(maker, common=...)`.

    Attributes:
        translator: The generator, wherever it lies.
        source: Class position of the common class.
        target: Class position of the rare class, the only one that it can make.
        common: The images that it draws from.
    """

    translator: Translator
    source: int
    target: int
    common: LabeledImages

    def make(self, target: int, count: int, *, seed: int) -> Tensor:
        """Return uint8 images (count, C, S, S); the same for the same seed on one kind of device.

        No common image is drawn twice while there are enough; from then on they are changed a little before.

        Raises:
            ModelError: Another class is asked for, or there is no common image.
        """
        if target != self.target:
            raise ModelError(f"expected class {self.target}, got {target}; train a translation for it")
        if not len(self.common):
            raise ModelError("expected common images to translate, got none; give the maker some")
        if count < 1:
            return torch.empty(0, *self.common.images.shape[1:], dtype=torch.uint8)
        return translate(self.translator, draw(self.common, count, seed)[0])

    def sources(self, count: int, *, seed: int) -> Tensor:
        """Return the sample ids int64 (count,) of the common images that `make` starts from with this seed."""
        return draw(self.common, count, seed)[1]
