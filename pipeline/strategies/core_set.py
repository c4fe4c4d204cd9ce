"""Core-set: a batch that leaves no image far from all that is labeled or asked.

Sener and Savarese, "Active learning for convolutional neural networks: a core-set approach", ICLR 2018,
arXiv:1708.00489: k-center greedy on the features of the network, from the labeled images as first centers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pipeline.errors import StrategyError
from pipeline.features.k_center import Choose, k_center_with_reach
from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.strategies.by_features import ByFeatures, Choice, Space


@dataclass(frozen=True, kw_only=True)
class CoreSet(ByFeatures):
    """k-center greedy; the score is a pick's distance from everything before it, inf for a lone first pick.

    Attributes:
        features: See `ByFeatures`.
        backbone: Network of 'pretrained'.
        weights: Its weights.
    """

    name: ClassVar[str] = "core_set"

    def choose(self, space: Space, k: int) -> Choice:
        """Return the picks."""
        picks, reach = k_center_with_reach(space.pool.rows, k, centers=space.labeled, choose=self._pick(space))
        return Choice(picks, reach, {})

    def _pick(self, _space: Space) -> Choose | None:
        return None  # the farthest


@dataclass(frozen=True, kw_only=True)
class CoreSetRobust(CoreSet):
    """k-center greedy that does not chase outliers (Ding, Yu and Wang, ESA 2019, arXiv:1901.08219, algorithm 1).

    Each pick is a random one of the (1 + slack) z farthest images, where z is the number of outliers. An outlier is
    then one of many and rarely taken; images of a real group are many of the farthest. Its own random number decides.

    Attributes:
        outliers: Share of the pool that may be outliers, in (0, 1); at least one image.
        slack: How many more than z are drawn from, as a share.
    """

    outliers: float = 0.01
    slack: float = 1.0

    name: ClassVar[str] = "core_set_robust"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.outliers < 1 or self.slack < 0:
            raise StrategyError(
                f"expected outliers in (0, 1) and slack of 0 or more, got {self.outliers}, {self.slack}"
            )

    def _pick(self, space: Space) -> Choose:
        ids = space.pool.ids
        seed = derive_seed(space.context.seed, "core_set_robust")
        among = math.ceil((1 + self.slack) * math.ceil(self.outliers * len(ids)))

        def pick(squared: Tensor, turn: int) -> int:
            farthest = squared.topk(min(among, int((squared >= 0).sum()))).indices  # rows not picked yet
            chance = per_sample_uniform(seed, ids[farthest.numpy()], f"pick {turn}")
            return int(farthest[int(torch.from_numpy(chance).argmin())])

        return pick
