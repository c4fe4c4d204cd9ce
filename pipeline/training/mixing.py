"""Images mixed in pairs, with their classes in the same shares: MixUp and CutMix.

MixUp adds two images up (Zhang et al. 2018, arXiv:1710.09412); CutMix puts a rectangle of one onto the other (Yun et
al. 2019, arXiv:1905.04899). As in the authors' code a step has one share for the whole batch, and images are paired by
a permutation. The share is uniform in [0, 1): the Beta distribution with alpha = 1, as both papers take it for small
images. All is drawn from (seed, step).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.randomness import derive_seed
from pipeline.training.recipes import Mixing


@dataclass(frozen=True)
class Mixed:
    """How a step's images are mixed.

    Attributes:
        partner: int64 (B,), which image each is mixed with.
        keep: float32 (S, S), what a pixel keeps of its own image; the rest comes from the partner's.
        share: What the image's own class counts, in [0, 1]; the rest is the partner's.
    """

    partner: Tensor
    keep: Tensor
    share: float

    def images(self, images: Tensor) -> Tensor:
        """Return mixed images (B, C, S, S)."""
        keep = self.keep.to(images)
        return keep * images + (1 - keep) * images[self.partner.to(images.device)]

    def loss(self, loss: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the mixed loss, where `loss` is that of the images with the classes of others, int64 (B,)."""
        own = torch.arange(len(self.partner))
        return self.share * loss(own) + (1 - self.share) * loss(self.partner)


@dataclass(frozen=True)
class Rows:
    """What the images of a step count as.

    Attributes:
        targets: int64 (B,), their classes.
        factors: float (L,), what the first L of them, the labeled ones, count in the loss; None for 1 each.
        mixed: How they are mixed; None where they are not.
    """

    targets: Tensor
    factors: Tensor | None
    mixed: Mixed | None = None

    def classes_of(self, others: Tensor) -> Rows:
        """Return plain rows that count as others (B,) do."""
        factors = None if self.factors is None else self.factors[others[: len(self.factors)]]
        return Rows(self.targets[others], factors)


def draw_mixed(kind: Mixing, blocks: Sequence[int], side: int, *, seed: int, step: int) -> Mixed:
    """Return how a step's images are mixed.

    Args:
        kind: 'mixup' or 'cutmix'.
        blocks: How many images of a kind follow each other; partners are of one kind.
        side: S, in pixels.
        seed: Of the training.
        step: Of the training.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "mixing", step))
    share = float(torch.rand((), generator=generator))
    keep = torch.full((side, side), share)
    if kind == "cutmix":
        keep = _without_rectangle(side, share, generator)
        share = float(keep.mean())
    starts = torch.tensor([0, *blocks]).cumsum(0).tolist()
    pairs = zip(starts, blocks, strict=False)
    partner = torch.cat([torch.randperm(rows, generator=generator) + start for start, rows in pairs])
    return Mixed(partner, keep, share)


def _without_rectangle(side: int, share: float, generator: torch.Generator) -> Tensor:
    """Return ones (S, S) with zeros in a rectangle of about 1 - share of the area, anywhere, cut at the edge."""
    half = int(side * math.sqrt(1 - share)) // 2
    row, column = torch.randint(side, (2,), generator=generator).tolist()
    keep = torch.ones(side, side)
    keep[max(0, row - half) : row + half, max(0, column - half) : column + half] = 0
    return keep
