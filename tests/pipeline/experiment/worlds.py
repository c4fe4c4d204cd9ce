"""A comparison small enough to run in a second: digits of 16 pixels, lenet5, a few steps of training."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from pipeline.data.sources.digits import read_digits
from pipeline.experiment.data import ExperimentData
from pipeline.experiment.lockstep import run_unit
from pipeline.experiment.records import Arm, Point, Settings
from pipeline.training.recipes import SupervisedRecipe

_TIMES = ("seconds", "inference_passes")  # the second one is a time, measured in forward passes
CPU = torch.device("cpu")
RECIPE = SupervisedRecipe(
    learning_rate=5e-3, batch_size=8, epochs=1, least_steps=20, most_steps=20, augmentation="none", window=20
)


@cache
def digits(pool: int = 60, test: int = 60) -> ExperimentData:
    values, classes = read_digits()
    some = torch.from_numpy(values[: pool + test].astype(np.float32) / 16)[:, None]  # (N, 1, 8, 8)
    images = (functional.interpolate(some, size=16, mode="bilinear") * 255).round().to(torch.uint8)
    return ExperimentData.from_tensors(
        images[:pool], classes[:pool], images[pool:], classes[pool : pool + test], classes="0123456789"
    )


def settings(*strategies: str, **more: object) -> Settings:
    usual = {
        "strategies": strategies or ("random_sampling",),
        "model": "lenet5",
        "labels": 30,
        "batch": 8,
        "seed_labels": 12,
        "seeds": (0, 1),
        "recipe": "quick",
    }
    return Settings(**{**usual, **more})


def run(arm: str | Arm, wanted: Settings | None = None, **more: object) -> dict[int, tuple[Point, ...]]:
    line = Arm(arm) if isinstance(arm, str) else arm
    wanted = wanted or settings(line.strategy)
    seeds = more.pop("seeds", wanted.seeds)
    recipe = more.pop("recipe", RECIPE)
    return run_unit(digits(), wanted, recipe, line, seeds, device=CPU, **more)


def plain_network(classes: int, channels: int, image_size: int) -> nn.Module:
    """A network without dropout."""
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size**2, 8), nn.ReLU(), nn.Linear(8, classes))


@cache
def whole(strategy: str) -> dict[int, tuple[Point, ...]]:
    """What an arm gives when nothing stops it; nobody may change it."""
    return run(strategy)


def told(points: dict[int, tuple[Point, ...]]) -> dict[int, list[tuple[object, ...]]]:
    """All that a run says, apart from times."""
    return {
        seed: [
            (
                point.labels,
                point.accuracy,
                point.class_recall,
                point.class_labels,
                point.queried,
                {name: value for name, value in point.figures.items() if name not in _TIMES},
            )
            for point in made
        ]
        for seed, made in points.items()
    }
