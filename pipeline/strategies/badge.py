"""BADGE: a batch of large gradients in different directions.

Ash et al., "Deep batch active learning by diverse, uncertain gradient lower bounds", ICLR 2020, arXiv:1906.03671. The
gradient of the last layer under the predicted label is an outer product (p - e) x h; distances between such products
come from the factors, |a|^2 |h|^2 + |b|^2 |g|^2 - 2 (a.b) (h.g), so N x K x D numbers are never made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.features.embedding import require_features
from pipeline.features.store import FeatureStore, as_float, blocks
from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.strategies.base import Arrays, QueryContext, Selection, model_of
from pipeline.strategies.one_pass import Block, Collector, OnePass, Wants
from pipeline.strategies.ranking import classes_of


@dataclass(frozen=True, kw_only=True)
class Badge(OnePass):
    """k-means++ on gradient embeddings; the score is a pick's distance from the picks before it.

    The first pick has the longest gradient, as in the authors' code; each further one is drawn with chances by squared
    distance. An image's own random number, a pick, decides.
    """

    name: ClassVar[str] = "badge"

    def collector(self, context: QueryContext, k: int) -> Collector:
        """Return what keeps both factors of each gradient."""
        require_features(model_of(context))
        return _Factors(context, k)


class _Factors:
    """Keeps features and probability errors of the pool, then picks."""

    wants = Wants(features=True)

    def __init__(self, context: QueryContext, k: int) -> None:
        self.context, self.k = context, k
        self.features = FeatureStore(context.pool.ids, context.scratch)
        self.errors = FeatureStore(context.pool.ids, context.scratch, np.float32)

    def collect(self, block: Block) -> None:
        """Take in one block."""
        self.features.put(block.ids, block.need_features())
        self.errors.put(block.ids, probability_error(block.logits))

    def kept(self) -> Arrays:
        """Return both factors."""
        return {"ids": self.features.ids, "features": self.features.rows, "errors": self.errors.rows}

    def merge(self, kept: Arrays) -> None:
        """Take in both factors of a shard."""
        self.features.put_rows(kept["ids"], kept["features"])
        self.errors.put_rows(kept["ids"], kept["errors"])

    def selection(self) -> Selection:
        """Return the picks."""
        ids = self.features.ids
        seed = derive_seed(self.context.seed, "badge")
        gradients = OuterProducts(self.errors.rows, self.features.rows)
        rows, distance = spread(gradients, ids, self.k, seed)
        predicted, nearest = classes_of(self.context, ids[rows])
        return Selection(ids=ids[rows], scores=distance, predicted=predicted, nearest=nearest, descending=True)


def probability_error(logits: Tensor) -> Tensor:
    """Return softmax minus the one-hot predicted class, (B, K): the gradient of the loss by the logits."""
    chance = torch.softmax(logits.double(), dim=1)  # (B, K)
    first = logits.argmax(dim=1, keepdim=True)  # (B, 1)
    others = chance.scatter(1, first, 0.0)
    return others.scatter(1, first, -others.sum(dim=1, keepdim=True))  # p1 - 1 keeps its digits this way


class OuterProducts:
    """N outer products by their factors.

    Args:
        left: (N, K), also memory-mapped.
        right: (N, D), also memory-mapped.
    """

    def __init__(self, left: NDArray[Any], right: NDArray[Any]) -> None:
        self.left, self.right = left, right
        self.squares = torch.empty(len(left))  # (N,), squared lengths
        for where, some in blocks(right):
            mine = as_float(left[where])
            self.squares[where] = torch.linalg.vecdot(mine, mine) * torch.linalg.vecdot(some, some)

    def squared_distance(self, row: int) -> Tensor:
        """Return the squared distances (N,) of all products from one."""
        a, h = as_float(self.left[row : row + 1])[0], as_float(self.right[row : row + 1])[0]
        apart = torch.empty(len(self.left))
        for where, some in blocks(self.right):
            inner = (as_float(self.left[where]) @ a) * (some @ h)
            apart[where] = self.squares[where] + self.squares[row] - 2 * inner
        rounding = 1e-6 * (self.squares + self.squares[row])
        return torch.where(apart > rounding, apart, 0.0)


def spread(
    gradients: OuterProducts, ids: NDArray[np.int64], k: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pick k rows by k-means++ seeding (Arthur and Vassilvitskii 2007).

    Row i wins a draw with weight w by the smallest -log(u_i) / w_i: chances by weight, whatever the order of the rows.

    Args:
        gradients: The points.
        ids: int64 (N,), which give each row its random numbers.
        k: At most N.
        seed: Of the draws.

    Returns:
        int64 (k,), rows; and float64 (k,), the distance of each from the picks before it, the first's own length.
    """
    squared = gradients.squares.clone()  # to the origin, before the first pick
    rows, scores = [int(squared.argmax())], [float(squared.max()) ** 0.5]
    squared.fill_(torch.inf)
    left = np.delete(np.arange(len(ids)), rows)
    while len(rows) < k:
        squared = torch.minimum(squared, gradients.squared_distance(rows[-1]))
        weight = squared.double().numpy().copy()
        weight[rows] = 0.0
        race = -np.log(per_sample_uniform(seed, ids, f"pick {len(rows)}").clip(1e-300))
        with np.errstate(divide="ignore"):
            time = np.where(weight > 0, race / weight, np.inf)
        rows.append(int(left[np.argmin(time[left])]))  # rows of weight 0 come last, by id
        left = left[left != rows[-1]]
        scores.append(float(weight[rows[-1]]) ** 0.5)
    return np.array(rows, dtype=np.int64), np.array(scores)
