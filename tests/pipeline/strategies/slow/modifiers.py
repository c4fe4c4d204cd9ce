"""Slow ones around others: balanced, different, subsampled, mixed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.strategies.base import QueryContext
from tests.pipeline.strategies.slow.common import Ids, Slow, chances, pixels


def balanced(base: Slow) -> Slow:
    """Each time the class with the fewest labels and queries, of the 10 k best."""

    def slow(context: QueryContext, k: int) -> Ids:
        waiting = base(context, min(10 * k, len(context.pool)))
        kind = {s: int(np.argmax(chances(context, s))) for s in waiting}
        have = [int((context.labeled_targets == label).sum()) for label in range(context.classes)]
        picks: Ids = []
        for _ in range(k):
            rarest = min(have[kind[s]] for s in waiting)
            pick = next(s for s in waiting if have[kind[s]] == rarest)
            waiting.remove(pick)
            have[kind[pick]] += 1
            picks.append(pick)
        return picks

    return slow


def different(base: Slow) -> Slow:
    """Down the ranking, leaving out what is alike at 16 x 16 (the images here are of that size)."""

    def slow(context: QueryContext, k: int) -> Ids:
        def vector(sample: int) -> NDArray[np.float64]:
            flat = pixels(context, sample).flatten().numpy()
            return np.asarray((flat - flat.mean()) / np.linalg.norm(flat - flat.mean()))

        kept: Ids = []
        out: Ids = []
        for sample in base(context, len(context.pool)):
            alike = any(float(vector(sample) @ vector(other)) >= 0.95 for other in kept)
            (out if alike else kept).append(sample)
        return (kept + out)[:k]

    return slow


def subsampled(base: Slow, size: int) -> Slow:
    """The best of some random images."""

    def slow(context: QueryContext, k: int) -> Ids:
        seed = derive_seed(context.seed, "subsampled")
        chance = {s: per_sample_uniform(seed, np.array([s]), "subsampled")[0] for s in context.pool.ids.tolist()}
        some = set(sorted(chance, key=lambda s: (chance[s], s))[: max(k, size)])
        return [s for s in base(context, len(context.pool)) if s in some][:k]

    return slow


def mixed(parts: list[tuple[Slow, float]]) -> Slow:
    """Deal by shares."""

    def slow(context: QueryContext, k: int) -> Ids:
        ranked = [base(context, len(context.pool)) for base, _ in parts]
        given, picks = [0] * len(parts), []
        for turn in range(1, k + 1):
            behind = [share * turn - given[place] for place, (_, share) in enumerate(parts)]
            part = behind.index(max(behind))
            picks.append(next(s for s in ranked[part] if s not in picks))
            given[part] += 1
        return picks

    return slow
