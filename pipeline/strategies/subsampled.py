"""`X+subsampled`: an expensive strategy on some random images of the pool, as the authors of DFAL did with 300."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pipeline.errors import StrategyError
from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.strategies.base import QueryContext, Selection, Strategy, check_request
from pipeline.strategies.shards import select


@dataclass(frozen=True, kw_only=True)
class Subsampled:
    """Let the base choose among random images, other ones each round.

    Attributes:
        base: The strategy that chooses.
        size: How many images it sees; k if that is more.
    """

    base: Strategy
    size: int = 2000

    makes_copies: ClassVar[bool] = False
    spreads: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.base.makes_copies:
            raise StrategyError(f"expected a strategy without copies, got {self.base.name}; write +copies last")
        if self.size < 1:
            raise StrategyError(f"expected a size of 1 or more, got {self.size}")

    @property
    def name(self) -> str:
        """The base's name with '+subsampled'."""
        return f"{self.base.name}+subsampled"

    @property
    def needs_model(self) -> bool:
        """Whether the base needs one."""
        return self.base.needs_model

    def select(self, context: QueryContext, k: int) -> Selection:
        """Return k images."""
        check_request(self, context, k)
        ids = np.asarray(context.pool.ids)
        chance = per_sample_uniform(derive_seed(context.seed, "subsampled"), ids, "subsampled")
        some = context.pool.subset(ids[np.lexsort((ids, chance))[: max(k, self.size)]])
        found = select(self.base, replace(context, pool=some), k)
        return replace(found, diagnostics={**found.diagnostics, "looked_at": len(some)})
