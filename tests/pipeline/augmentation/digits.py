"""scikit-learn's digits made uneven, and a network small enough to train many times in a test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.augmentation.quality import TrainPlan
from pipeline.data.sources.digits import read_digits
from pipeline.training.labeled import LabeledImages
from pipeline.training.recipes import SupervisedRecipe

CLASSES = 10
RARE = 8
_RECIPE = SupervisedRecipe(
    learning_rate=1e-2, batch_size=64, least_steps=150, most_steps=150, window=50, augmentation="none"
)
PLAN = TrainPlan(model=f"{__name__}:perceptron", recipe=_RECIPE, seeds=3)


def perceptron(classes: int, channels: int, image_size: int) -> nn.Module:
    hidden = nn.Linear(channels * image_size**2, 48)
    return nn.Sequential(nn.Flatten(), hidden, nn.ReLU(), nn.Linear(48, classes))


@dataclass(frozen=True)
class Uneven:
    labeled: LabeledImages  # one class rare
    held_out: LabeledImages
    others: dict[int, Tensor]  # by class, real images that are in neither


def uneven(rare: int, *, target: int = RARE, common: int = 60, held_out: int = 60, seed: int = 0) -> Uneven:
    values, classes = read_digits()
    images = torch.from_numpy(np.rint(values * (255 / 16)).astype(np.uint8))[:, None]  # (N, 1, 8, 8)
    targets, generator = torch.from_numpy(classes), torch.Generator().manual_seed(seed)
    held, kept, others = [], [], {}
    for place in range(CLASSES):
        of_class = torch.nonzero(targets == place).flatten()
        of_class = of_class[torch.randperm(len(of_class), generator=generator)]
        last = held_out + (rare if place == target else common)
        held.append(of_class[:held_out])
        kept.append(of_class[held_out:last])
        others[place] = images[of_class[last:]]
    labeled, aside = (LabeledImages(images[which], targets[which], which) for which in map(torch.cat, (kept, held)))
    return Uneven(labeled, aside, others)
