"""Small images whose class is easy to see, and recipes of seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.augmentation.gan.maker import GanMaker
from pipeline.augmentation.gan.recipe import GanRecipe
from pipeline.augmentation.gan.training import GanReport, train_gan
from pipeline.training.labeled import LabeledImages
from tests.pipeline.toys import CPU

TINY = GanRecipe(width=4, latent=4, batch_size=8, steps=12, look_every=6, warm_up=0.0, blending=0.5)


def halves(count: int, *, channels: int = 1, side: int = 16, seed: int = 0) -> LabeledImages:
    """Class 0 is bright on the left, class 1 on the right; brightness and noise vary."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.arange(count) % 2
    images = torch.rand(count, channels, side, side, generator=generator) * 60
    bright = 120 + torch.rand(count, 1, 1, generator=generator) * 70
    for place, target in enumerate(targets.tolist()):
        half = slice(0, side // 2) if target == 0 else slice(side // 2, side)
        images[place, :, :, half] += bright[place]
    return LabeledImages(images.to(torch.uint8), targets, torch.arange(count) + 100)


def left_brighter(images: Tensor) -> Tensor:
    """Return which images (N, C, S, S) are brighter on the left, bool (N,)."""
    side = images.shape[-1]
    columns = images.float().mean(dim=(1, 2))  # (N, S)
    return columns[:, : side // 2].mean(dim=1) > columns[:, side // 2 :].mean(dim=1)


def run(recipe: GanRecipe = TINY, checkpoint: Path | None = None, **options: Any) -> tuple[GanMaker, GanReport]:
    given: dict[str, Any] = {"labeled": halves(12), "pool": halves(20, seed=1).images, "trusted": None, "seed": 3}
    given |= options
    return train_gan(recipe, classes=2, device=CPU, checkpoint=checkpoint, **given)


def same(first: GanMaker, second: GanMaker) -> bool:
    ours, theirs = first.generator.state_dict(), second.generator.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in ours.items())
