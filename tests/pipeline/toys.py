"""Small models and images that several test files share."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from pipeline.models.base import Classifier
from pipeline.models.registry import build_model
from pipeline.training.labeled import LabeledImages
from pipeline.training.recipes import SupervisedRecipe
from pipeline.training.supervised import train

CPU = torch.device("cpu")
QUICK = SupervisedRecipe(least_steps=60, most_steps=60, batch_size=16, window=20)


class Linear(nn.Module):
    """A linear classifier of images (B, C, S, S), whose border distances are known in closed form."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight.T + self.bias


def linear(classes: int, pixels: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Linear:
    generator = torch.Generator().manual_seed(seed)
    return Linear(
        torch.randn(classes, pixels, generator=generator, dtype=dtype),
        torch.randn(classes, generator=generator, dtype=dtype),
    )


def stripes(count: int, side: int = 16, classes: int = 4, seed: int = 0) -> LabeledImages:
    """Noisy bright bars, whose place tells the class; some lie between two classes."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, classes, (count,), generator=generator)
    images = torch.rand(count, 1, side, side, generator=generator) * 120
    centers = (targets + 0.5) * side / classes + torch.randn(count, generator=generator) * side / classes / 4
    distance = (torch.arange(side)[None] - centers[:, None]).abs()  # (N, S)
    images += 135 * (distance < 2)[:, None, None, :]
    return LabeledImages(images.to(torch.uint8), targets, torch.arange(count) * 3 + 5 + seed * 100_000)


@cache
def trained(name: str, seed: int = 0) -> Classifier:
    """A small classifier trained on 40 stripes; share it, do not change it."""
    model = build_model(name, classes=4, channels=1, image_size=16, seed=seed)
    train(model, stripes(40, seed=seed), QUICK, seed=seed, device=CPU)
    return model.eval()
