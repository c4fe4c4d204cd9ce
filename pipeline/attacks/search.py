"""The k images of a whole pool that are nearest to the decision border, at about the price of looking at it once.

A lazy exact search. One forward pass ranks the pool by logit gap. Block by block of that order, DeepFool's first step
is a one-step estimate; in the estimate's order DeepFool goes on where the estimate times a slack is below the k-th best
distance so far, and gives up what is pushed farther. The search stops where no gap can close within that distance, as
the largest gradient tells: nothing that remains can enter the top k.

That an estimate times the slack is below the true distance, and that no gradient is much larger than those seen (64
random images in all classes, then all that are worked on), is measured, not proved: so each search attacks 64 images
next in order and 64 random ones in full, and if one of them should have been in, it widens the slack and goes on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pipeline.attacks.border import Norm
from pipeline.attacks.deepfool import DeepFoolSettings
from pipeline.attacks.lazy import Progress, Search
from pipeline.data.pool import ImagePool
from pipeline.errors import StrategyError

Figures = dict[str, float | int | str]


@dataclass(frozen=True)
class NearestToBorder:
    """The nearest images of a pool.

    Attributes:
        ids: int64 (k,), nearest first, ties by id.
        distance: float64 (k,), DeepFool's with overshoot; inf where the prediction could not be changed.
        predicted: int64 (k,), the model's class.
        nearest: int64 (k,), the class behind the border; -1 where distance is inf.
        diagnostics: Figures of the search, with the recall check.
    """

    ids: NDArray[np.int64]
    distance: NDArray[np.float64]
    predicted: NDArray[np.int64]
    nearest: NDArray[np.int64]
    diagnostics: Figures


def nearest_to_border(
    model: nn.Module,
    pool: ImagePool,
    k: int,
    *,
    exhaustive: bool = False,
    norm: Norm = "l2",
    overshoot: float = 0.02,
    max_iterations: int = 50,
    minimum_step: float = 1e-4,
    candidates: int | None = None,
    classes: int | None = None,
    slack: float = 0.75,
    seed: int = 0,
    batch_size: int | None = None,
    on_progress: Progress | None = None,
) -> NearestToBorder:
    """Find the k images with the smallest DeepFool distance.

    Args:
        model: From images (B, C, S, S) in [0, 1] to logits (B, K); left as found.
        pool: The images, streamed; memory beside it is a few numbers an image.
        k: In [1, len(pool)].
        exhaustive: Run DeepFool on every image: the reference answer, slow.
        norm: 'l2' or 'linf'.
        overshoot: See `deepfool`, as the next three.
        max_iterations: Most steps.
        minimum_step: Added to each step.
        candidates: How many other classes are looked at; None is all.
        classes: K, when the logits shall be checked against it.
        slack: Share of an estimate that a true distance is taken to reach at least. A violation lowers it, and the
            trust in the largest gradient with it.
        seed: Of the random part of the recall check; the answer does not depend on it.
        batch_size: Images at a time; None lets the image size and the memory that the model needs decide.
        on_progress: Called with (images seen, images of the pool, a line to show).

    Raises:
        StrategyError: k is out of range, or the logits are not finite.
    """
    if not 1 <= k <= len(pool) or not 0 < slack <= 1:
        raise StrategyError(f"expected k from 1 to the pool's {len(pool)}, and a slack in (0, 1], got {k} and {slack}")
    began = time.perf_counter()
    settings = DeepFoolSettings(norm, overshoot, max_iterations, minimum_step, candidates)
    search = Search(model, pool, k, settings, slack=slack, seed=seed, batch_size=batch_size)
    search.look(classes, on_progress)
    if exhaustive:
        search.attack(np.arange(len(pool)))
    else:
        search.run()
    known = np.flatnonzero(~np.isnan(search.distance))
    best = known[np.lexsort((search.ids[known], search.distance[known]))][:k]
    return NearestToBorder(
        search.ids[best],
        search.distance[best],
        search.predicted[best].astype(np.int64),
        search.nearest[best].astype(np.int64),
        _figures(search, time.perf_counter() - began, exhaustive=exhaustive),
    )


def _figures(search: Search, seconds: float, *, exhaustive: bool) -> Figures:
    """Return what is kept with a round."""
    whole = np.isfinite(search.distance) & np.isfinite(search.estimate)
    ratio = search.distance[whole] / search.estimate[whole]
    return {
        "search": "exhaustive" if exhaustive else "lazy",
        "guarantee": "exact" if exhaustive else "measured",
        "pool": len(search.pool),
        "estimated": int(np.isfinite(search.estimate).sum()),
        "attacked": int((~np.isnan(search.distance)).sum()),
        "unflipped": int((np.isinf(search.distance) & ~search.given_up).sum()),
        "checked": search.checks,
        "violations": search.violations,
        "slack": search.slack,
        "least_ratio": float(ratio.min()) if len(ratio) else 1.0,
        "seconds": round(seconds, 4),
        "inference_passes": round(seconds / max(search.seconds_looking, 1e-9), 3),
    }


def sum_up(figures: Sequence[Figures]) -> Figures:
    """Return what is kept of a search done shard by shard: sums, the least slack and ratio, and each recall check.

    Args:
        figures: Of each shard, as `nearest_to_border` gives them.
    """
    totals = ("pool", "estimated", "attacked", "unflipped", "checked", "violations", "seconds")
    checks = [{name: one[name] for name in ("checked", "violations", "slack")} for one in figures]
    return {
        **{name: figures[0][name] for name in ("search", "guarantee")},
        **{name: sum(float(one[name]) if name == "seconds" else int(one[name]) for one in figures) for name in totals},
        **{name: min(float(one[name]) for one in figures) for name in ("slack", "least_ratio")},
        "checks_by_shard": json.dumps(checks),
    }
