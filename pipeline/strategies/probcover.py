"""ProbCover: for few or no labels, the images whose neighborhoods cover most of the pool.

Yehuda et al., "Active learning through a covering lens", NeurIPS 2022, arXiv:2205.11320, algorithm 1. The radius is the
largest at which balls are pure: 95 % hold one pseudo-class only, by k-means with as many clusters as classes (section
4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import StrategyError
from pipeline.features.clusters import cluster
from pipeline.features.store import as_float, normalized
from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.strategies.by_features import ByFeatures, Choice, Space

_PURITY_ROWS = 2_000
_VALUES = 1 << 25  # similarities held at a time
_LEAST_RADIUS = 2e-3  # nearer than this, rounding decides: the images count as equal


@dataclass(frozen=True, kw_only=True)
class ProbCover(ByFeatures):
    """Greedy coverage by balls; the score is how many images a pick covers that nothing covered before.

    Once everything is covered the radius is halved and covering starts again from all labels and picks.

    Attributes:
        features: See `ByFeatures`.
        backbone: Network of 'pretrained'.
        weights: Its weights.
        purity: Share of balls that must be of one pseudo-class.
        most: Images compared; a larger pool is thinned at random, for the cost grows with its square.
    """

    purity: float = 0.95
    most: int = 30_000

    name: ClassVar[str] = "probcover"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.purity <= 1 or self.most < 1:
            raise StrategyError(f"expected purity in (0, 1] and most of 1 or more, got {self.purity} and {self.most}")

    def choose(self, space: Space, k: int) -> Choice:
        """Return k rows."""
        rows = self._thin(space, k)
        pool = normalized(as_float(space.pool.rows[rows]))  # (n, D)
        labeled = normalized(torch.from_numpy(space.labeled))  # (L, D)
        radius = self._radius(pool, space)
        picks, covered = greedy_cover(pool, labeled, radius, k)
        return Choice(rows[picks], covered.astype(np.float64), {"radius": radius, "compared": len(rows)})

    def _thin(self, space: Space, k: int) -> NDArray[np.int64]:
        ids, most = space.pool.ids, max(self.most, k)
        if len(ids) <= most:
            return np.arange(len(ids))
        chance = per_sample_uniform(derive_seed(space.context.seed, "probcover"), ids, "thin")
        return np.sort(np.argsort(chance, kind="stable")[:most])

    def _radius(self, pool: Tensor, space: Space) -> float:
        """Return the largest radius of a grid at which enough balls are pure."""
        step = max(1, -(-len(pool) // _PURITY_ROWS))
        some = pool[::step]
        seed = derive_seed(space.context.seed, "probcover clusters")
        classes = torch.from_numpy(cluster(some.numpy(), min(space.context.classes, len(some)), seed=seed)[0])
        apart = torch.cdist(some, some)  # (n, n)
        foreign = apart.masked_fill(classes[:, None] == classes[None], torch.inf).min(dim=1).values  # (n,)
        finite = foreign[foreign.isfinite()]
        if not len(finite):
            return max(float(apart.max()) / 2, _LEAST_RADIUS)
        return max(float(torch.quantile(finite.double(), 1 - self.purity)), _LEAST_RADIUS)


def greedy_cover(pool: Tensor, labeled: Tensor, radius: float, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pick k rows, each covering the most rows that are not covered yet; ties go to the first row.

    Args:
        pool: (N, D).
        labeled: (L, D), which cover from the start.
        radius: Of a ball, which covers rows nearer than it.
        k: At most N.

    Returns:
        int64 (k,), rows, and int64 (k,), how many rows each newly covers.
    """
    cover = _covered(pool, labeled, radius)
    picks: list[int] = []
    gains: list[int] = []
    open_ = torch.ones(len(pool), dtype=torch.bool)
    while len(picks) < k:
        while not bool(cover.uncovered.any()) and cover.radius > _LEAST_RADIUS:
            cover = _covered(pool, torch.cat([labeled, pool[picks]]), cover.radius / 2)
        gain = cover.degree.masked_fill(~open_, -1)
        best = int(gain.argmax())
        picks.append(best)
        gains.append(int(gain[best]))
        open_[best] = False
        cover.cover(pool[best : best + 1])
    return np.array(picks, dtype=np.int64), np.array(gains, dtype=np.int64)


def _covered(pool: Tensor, centers: Tensor, radius: float) -> _Cover:
    cover = _Cover(pool, radius)
    cover.cover(centers)
    return cover


class _Cover:
    """Which rows are covered, and how many uncovered rows each row's ball holds; no graph is kept."""

    def __init__(self, pool: Tensor, radius: float) -> None:
        self.pool, self.radius = pool, radius
        self.lengths = torch.linalg.vecdot(pool, pool)  # (N,)
        self.uncovered = torch.ones(len(pool), dtype=torch.bool)
        self.degree = torch.zeros(len(pool), dtype=torch.int64)
        for some in torch.split(pool, self._step()):
            self.degree += self._near(some).sum(dim=0)

    def cover(self, centers: Tensor) -> None:
        """Cover what is near some centers (M, D)."""
        for some in torch.split(centers, self._step()):
            fresh = self._near(some).any(dim=0) & self.uncovered
            self.uncovered &= ~fresh
            for part in torch.split(self.pool[fresh], self._step()):
                self.degree -= self._near(part).sum(dim=0)

    def _near(self, centers: Tensor) -> Tensor:
        """Return which rows are nearer to which center than the radius: (M, N)."""
        squared = torch.linalg.vecdot(centers, centers)[:, None] - 2 * centers @ self.pool.T + self.lengths
        return torch.as_tensor(squared < self.radius**2)

    def _step(self) -> int:
        return max(1, _VALUES // max(1, len(self.pool)))
