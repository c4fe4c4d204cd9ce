"""`X+deduplicated`: no near-duplicates in one batch, for nobody wants to answer the same question twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pipeline.data.transforms import to_float
from pipeline.errors import StrategyError
from pipeline.features.embedding import Embedder
from pipeline.features.neighbors import NeighborIndex
from pipeline.strategies.base import QueryContext, Selection, Strategy, check_request
from pipeline.strategies.reorder import taken
from pipeline.strategies.shards import select

_SIDE = 16
_NEAR = 64  # neighbors of an image that may be its duplicates
_SOURCES = ("pixels", "model")


@dataclass(frozen=True, kw_only=True)
class Deduplicated:
    """Go down the base's ranking and leave out what is nearly equal to something taken.

    Images are compared by the cosine of their pixels at 16 x 16 after taking off the mean, which a small change of
    brightness, contrast or compression hardly moves; or of the model's features. If too few are left, the ranking is
    read further; at `most` the best of those left out fill the batch (the diagnostics count them).

    Attributes:
        base: The strategy that ranks.
        similarity: Cosine from which two images are near-duplicates, in (0, 1].
        features: 'pixels', or 'model'.
        shortlist: How many times k of the best images are looked at first.
        most: How many of the best images are looked at in the end, or k if that is more.
    """

    base: Strategy
    similarity: float = 0.95
    features: str = "pixels"
    shortlist: int = 3
    most: int = 10_000

    makes_copies: ClassVar[bool] = False
    spreads: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.base.makes_copies:
            raise StrategyError(f"expected a strategy without copies, got {self.base.name}; write +copies last")
        if not 0 < self.similarity <= 1 or self.features not in _SOURCES or self.shortlist < 1:
            raise StrategyError(
                "expected similarity in (0, 1], features 'pixels' or 'model' and a shortlist of 1 or more, got "
                f"{self.similarity}, {self.features!r} and {self.shortlist}"
            )

    @property
    def name(self) -> str:
        """The base's name with '+deduplicated'."""
        return f"{self.base.name}+deduplicated"

    @property
    def needs_model(self) -> bool:
        """Whether the base needs one, or the features are the model's."""
        return self.base.needs_model or self.features == "model"

    def select(self, context: QueryContext, k: int) -> Selection:
        """Return k images."""
        check_request(self, context, k)
        most = min(max(self.most, k), len(context.pool))
        wanted = self.shortlist * k
        while True:
            ranked = select(self.base, context, min(wanted, most))
            kept, left_out = keep_different(self._vectors(context, ranked.ids), self.similarity, k)
            if len(kept) == k or wanted >= most:
                break
            wanted *= 4
        filled = k - len(kept)
        figures: dict[str, float | int | str] = {"near_duplicates": len(left_out), "near_duplicates_asked": filled}
        return taken(ranked, np.concatenate([kept, left_out[:filled]]), figures)

    def _vectors(self, context: QueryContext, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return vectors (n, D) of length 1, in the order of the ids."""
        if self.features == "model":
            rows = torch.from_numpy(Embedder(context, "model").store(context.pool.subset(ids), quiet=True).take(ids))
        else:
            parts = [thumbnails(context.pool.take(part)) for part in np.split(ids, range(256, len(ids), 256))]
            rows = torch.cat(parts)
            rows = rows - rows.mean(dim=1, keepdim=True)
        return functional.normalize(rows, dim=1).numpy()


def thumbnails(images: Tensor) -> Tensor:
    """Return the pixels (B, C * 256) of images (B, C, S, S) at 16 x 16."""
    pixels = to_float(images)
    return functional.interpolate(pixels, size=(_SIDE, _SIDE), mode="bilinear", antialias=True).flatten(1)


def keep_different(
    vectors: NDArray[np.float32], similarity: float, k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Go down a ranking until k rows are kept that are not near-duplicates of each other.

    Args:
        vectors: float32 (n, D) of length 1, best first.
        similarity: Cosine from which two rows are near-duplicates.
        k: How many.

    Returns:
        The rows kept, int64 (at most k,), and the rows left out on the way.
    """
    reach = np.sqrt(max(0.0, 2 - 2 * similarity)) + 1e-4  # of vectors of length 1, with room for rounding
    found, distance = NeighborIndex(vectors).search(vectors, min(_NEAR, len(vectors)))
    kept: list[int] = []
    out: list[int] = []
    taken_rows = np.zeros(len(vectors), dtype=bool)
    for row in range(len(vectors)):
        if len(kept) == k:
            break
        near = found[row][distance[row] <= reach]
        double = taken_rows[near[near != row]].any() or (len(near) == _NEAR and _close(vectors, kept, row, reach))
        (out if double else kept).append(row)
        taken_rows[row] = not double
    return np.array(kept, dtype=np.int64), np.array(out, dtype=np.int64)


def _close(vectors: NDArray[np.float32], kept: list[int], row: int, reach: float) -> bool:
    """Look at all that is kept: the row has more near-duplicates than neighbors were asked for."""
    return bool((np.linalg.norm(vectors[kept] - vectors[row], axis=1) <= reach).any())
