"""Ranks a pool shard by shard, here or on other machines, with the choice of one pass over the whole pool.

A strategy hands tasks to the context's runner: small frozen dataclasses that are done on one shard each and give plain
arrays. What comes back is merged exactly: the best of all shards are among the best of each, and features are kept by
id. So neither the number of shards nor who does them, nor in which order, changes a choice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.errors import StrategyError
from pipeline.strategies.base import Arrays, QueryContext, Selection, ShardTask, Strategy, can_merge, check_request
from pipeline.strategies.ranking import merge_selections

SHARD = 65_536  # images; a multiple of every batch, so that shards and one pass make the same batches


def select(strategy: Strategy, context: QueryContext, k: int) -> Selection:
    """Return the k images that a strategy asks, by the context's runner where it has one.

    Raises:
        StrategyError: k is above the pool, the pool is empty, or the model is missing or unfit.
    """
    runner = context.runner
    if runner is None or getattr(strategy, "spreads", False):
        return strategy.select(context, k)
    if can_merge(strategy):
        return select_in_shards(strategy, context, k)
    runner.leave(strategy.name, "it does not say that its shards merge (`mergeable`)")
    return strategy.select(replace(context, runner=None), k)


def select_in_shards(strategy: Strategy, context: QueryContext, k: int) -> Selection:
    """Rank by the context's runner and merge: the same choice as `strategy.select` over the whole pool.

    Args:
        strategy: One with `mergeable`, whose scores of an image do not depend on the others: `dfal_0` and its kin,
            EGL, every `Ranked`; not those that choose a varied batch or return pseudo-labels.
        context: Its pool is the whole one, and it has a runner.
        k: How many.
    """
    check_request(strategy, context, k)
    if context.runner is None or not can_merge(strategy):
        raise StrategyError(
            f"expected a runner and a strategy whose shards merge, got {strategy.name}; give it the whole pool"
        )
    parts = [_selection_of(part) for part in context.runner.run(BestOfShard(strategy, k), context)]
    merged = merge_selections(parts, k)
    sum_up = getattr(strategy, "sum_up", None)
    figures = sum_up([part.diagnostics for part in parts]) if sum_up is not None else {}
    return replace(merged, diagnostics={**merged.diagnostics, **figures})


@dataclass(frozen=True)
class BestOfShard:
    """The best images of a shard, by a strategy whose shards merge."""

    strategy: Strategy
    k: int

    def run(self, context: QueryContext) -> Arrays:
        """Select from the context's pool, which is one shard."""
        return _arrays_of(self.strategy.select(context, min(self.k, len(context.pool))))


class ShardsHere:
    """Does the shards one after the other in this process: for memory, and as the reference of other runners.

    Args:
        size: Images a shard.
    """

    def __init__(self, size: int = SHARD) -> None:
        self.size = size
        self.left: dict[str, str] = {}

    def run(self, task: ShardTask, context: QueryContext) -> Iterator[Arrays]:
        """Yield what the task gives for each shard."""
        total = len(context.pool)
        for start in range(0, total, self.size):
            part = context.pool.subset(context.pool.ids[start : start + self.size])
            yield task.run(replace(context, pool=part, runner=None, on_progress=None))
            if context.on_progress is not None:
                context.on_progress(min(start + self.size, total), total, "looking at the pool")

    def leave(self, name: str, why: str) -> None:
        """Note that a strategy looks at the whole pool by itself."""
        self.left[name] = why


def _arrays_of(selection: Selection) -> Arrays:
    figures = np.frombuffer(json.dumps(selection.diagnostics).encode(), dtype=np.uint8)
    arrays: Arrays = {
        "ids": selection.ids, "scores": selection.scores, "predicted": selection.predicted,
        "nearest": selection.nearest, "descending": np.array([selection.descending]), "figures": figures,
    }  # fmt: skip
    if selection.copies is not None and selection.copy_distances is not None:
        arrays |= {"copies": selection.copies.numpy(), "copy_distances": selection.copy_distances}
    return arrays


def _selection_of(arrays: Arrays) -> Selection:
    copies: NDArray[Any] | None = arrays.get("copies")
    return Selection(
        ids=arrays["ids"],
        scores=arrays["scores"],
        predicted=arrays["predicted"],
        nearest=arrays["nearest"],
        copies=None if copies is None else torch.from_numpy(np.array(copies)),
        copy_distances=arrays.get("copy_distances"),
        descending=bool(arrays["descending"][0]),
        diagnostics=json.loads(arrays["figures"].tobytes()),
    )
