"""Notices when a generator answers all images with one, by translating the same few images again and again."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pipeline.augmentation.translation.applying import translate
from pipeline.data.transforms import to_float
from pipeline.errors import TrainingError
from pipeline.training.checkpoint import State
from pipeline.training.order import Order

_PROBES = 32
_LEAST_SPREAD = 0.25  # of what real rare images have; the gate asks for more, this only saves time
_GRACE = 0.25  # share of the steps in which a generator may still be finding its way


class Watch:
    """Looks at translations of a fixed few common images.

    Args:
        common: uint8 or float (N, C, S, S).
        rare: The same of the rare class.
        patience: Looks in a row at which all were alike, until there is a reason to end.
        seed: Of the choice of the few.

    Attributes:
        spread: Mean distance of two translations over that of two real rare images, at the last look.
        change: Mean absolute difference between an image and its translation, in [0, 1].
        reason: Why training should end; None while it should not.

    Raises:
        TrainingError: The rare images are all the same.
    """

    def __init__(self, common: Tensor, rare: Tensor, patience: int, seed: int) -> None:
        self.probes = common[Order(seed, "probe", len(common)).take(0, min(_PROBES, len(common)))]
        self.expected = pair_distance(rare[Order(seed, "reference", len(rare)).take(0, min(_PROBES, len(rare)))])
        if not self.expected > 0:
            raise TrainingError(
                f"expected different images of the rare class, got {len(rare)} that are all the same; label more of it"
            )
        self.patience = patience
        self.stale = 0
        self.spread, self.change = math.nan, math.nan
        self.reason: str | None = None

    def look(self, translator: nn.Module, step: int, steps: int) -> None:
        """Translate the few, and give a reason to end when they have been alike for too long."""
        made = translate(translator, self.probes)
        self.spread = pair_distance(made) / self.expected
        self.change = float((to_float(made) - to_float(self.probes.cpu())).abs().mean())
        alike = step > _GRACE * steps and self.spread < _LEAST_SPREAD
        self.stale = self.stale + 1 if alike else 0
        if self.stale >= self.patience:
            self.reason = (
                f"the translations were alike in {self.stale} looks in a row until step {step} of {steps}, with "
                f"{self.spread:.2f} of the distance that real images of the class have to each other"
            )

    def state(self) -> State:
        """Return what a checkpoint keeps."""
        return {"stale": self.stale, "spread": self.spread, "change": self.change, "reason": self.reason}

    def put(self, state: State) -> None:
        """Take up from a checkpoint."""
        self.stale, self.reason = state["stale"], state["reason"]
        self.spread, self.change = state["spread"], state["change"]


def pair_distance(images: Tensor) -> float:
    """Return the mean Euclidean distance of two of the images (N, C, S, S), in pixels of [0, 1]; 0 below two.

    >>> pair_distance(torch.tensor([[[[0, 0]]], [[[255, 0]]], [[[255, 0]]], [[[0, 0]]]], dtype=torch.uint8))
    0.6666666666666666
    """
    if len(images) < 2:
        return 0.0
    return float(torch.pdist(to_float(images.cpu(), torch.float64).flatten(1)).mean())
