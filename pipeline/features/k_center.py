"""k-center greedy: each pick is the row farthest from all picks so far, by a running minimum, O(N D) a pick.

Gonzalez 1985; as core-set selection Sener and Savarese, ICLR 2018, arXiv:1708.00489.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import StrategyError
from pipeline.features.store import as_float, blocks

Choose = Callable[[Tensor, int], int]

_IN_MEMORY = 1 << 30  # bytes of float32 features that are kept as a whole


def k_center_greedy(
    features: NDArray[Any], k: int, *, centers: NDArray[Any] | None = None, choose: Choose | None = None
) -> NDArray[np.int64]:
    """Pick k rows so that no row is far from a pick or a center.

    Args:
        features: (N, D), float32 or float16, also memory-mapped.
        k: In [0, N].
        centers: (M, D), what is covered already; without any the first pick is the row farthest from the mean.
        choose: From squared distances (N,) and the number of picks so far to the next pick; the farthest if None.

    Returns:
        int64 (k,), rows in the order of their picks; ties go to the first row.

    Raises:
        StrategyError: k is out of range.

    >>> k_center_greedy(np.array([[0.0], [1.0], [5.0], [9.0]], dtype=np.float32), 2).tolist()
    [3, 0]
    """
    return k_center_with_reach(features, k, centers=centers, choose=choose)[0]


def k_center_with_reach(
    features: NDArray[Any], k: int, *, centers: NDArray[Any] | None = None, choose: Choose | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Do `k_center_greedy` and return the distance (k,) of each pick from all before it, too; inf for a lone first."""
    if not 0 <= k <= len(features):
        raise StrategyError(f"expected k from 0 to the {len(features)} rows, got {k}; ask for fewer")
    choose = choose or _farthest
    with torch.inference_mode():
        space = _Space(features)
        started = centers is not None and len(centers) > 0
        if started:
            space.cover(as_float(np.asarray(centers)))
        picks, reach = [], []
        for turn in range(k):
            alone = not started and turn == 0
            squared = space.from_mean() if alone else space.squared
            pick = choose(squared, turn)
            picks.append(pick)
            reach.append(np.inf if alone else float(squared[pick].clamp_min(0)) ** 0.5)
            space.add(pick)
    return np.array(picks, dtype=np.int64), np.array(reach)


def _farthest(squared: Tensor, _turn: int) -> int:
    return int(squared.argmax())


class _Space:
    """Rows and their squared distances to the nearest center; picked rows are at -1.

    The mean is taken off: |x|^2 - 2 x.c + |c|^2 then loses few digits.
    """

    def __init__(self, features: NDArray[Any]) -> None:
        self.mean = _mean(features)
        self.features = features
        self.whole: Tensor | None = None  # (N, D)
        if features.size * 4 <= _IN_MEMORY:
            whole = torch.empty(features.shape)
            for where, some in blocks(features):
                torch.sub(some, self.mean, out=whole[where])
            self.whole = whole
        self.norms = torch.empty(len(features))  # (N,)
        for where, some in self._blocks():
            self.norms[where] = torch.linalg.vecdot(some, some)
        self.squared = torch.full((len(features),), torch.inf)  # (N,)

    def _blocks(self) -> list[tuple[slice, Tensor]] | Any:
        if self.whole is not None:
            return [(slice(0, len(self.whole)), self.whole)]
        return ((where, some - self.mean) for where, some in blocks(self.features))

    def from_mean(self) -> Tensor:
        return self.norms

    def cover(self, centers: Tensor) -> None:
        """Take in many centers (M, D) at once."""
        moved = centers - self.mean
        lengths = torch.linalg.vecdot(moved, moved)  # (M,)
        step = max(1, (1 << 24) // max(1, len(moved)))
        for where, some in self._blocks():
            for start in range(0, len(some), step):
                part = slice(start, min(start + step, len(some)))
                nearest = (lengths - 2 * (some[part] @ moved.T)).min(dim=1).values  # (b,)
                rows = slice(where.start + part.start, where.start + part.stop)
                self.squared[rows] = torch.minimum(self.squared[rows], nearest + self.norms[rows])
        self.squared.clamp_min_(0)

    def add(self, pick: int) -> None:
        """Take in one row as a center."""
        center = self.whole[pick] if self.whole is not None else as_float(self.features[pick : pick + 1])[0] - self.mean
        length = torch.dot(center, center)
        for where, some in self._blocks():
            apart = torch.mv(some, center).mul_(-2).add_(self.norms[where]).add_(length)  # (b,)
            taken = self.squared[where] < 0
            self.squared[where] = torch.minimum(self.squared[where], apart.clamp_min_(0)).masked_fill_(taken, -1)
        self.squared[pick] = -1


def _mean(features: NDArray[Any]) -> Tensor:
    total = torch.zeros(features.shape[1], dtype=torch.float64)
    for _, some in blocks(features):
        total += some.sum(dim=0, dtype=torch.float64)
    return (total / max(1, len(features))).float()
