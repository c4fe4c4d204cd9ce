"""The k images of a whole pool that are nearest to the decision border, at about the price of looking at it once.

A lazy exact search. One forward pass ranks the pool by logit gap; a one-step estimate orders the candidates; DeepFool
runs on them in that order until the next estimate, times a slack, is past the k-th best distance. That an estimate
times the slack is below the true distance is measured, not proved: so each search attacks 64 images next in order and
64 random ones in full, and if one of them should have been in, it widens the slack and goes on.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from pipeline.attacks.border import Norm
from pipeline.attacks.lazy import AttackSettings, NearestToBorder, Progress, Search
from pipeline.data.pool import ImagePool
from pipeline.errors import StrategyError


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
        slack: Share of an estimate that a true distance is taken to reach at least.
        seed: Of the random part of the recall check; the answer does not depend on it.
        batch_size: Images at a time; None lets the image size decide.
        on_progress: Called with (images seen, images of the pool, a line to show).

    Raises:
        StrategyError: k is out of range, or the logits are not finite.
    """
    if not 1 <= k <= len(pool) or not 0 < slack <= 1:
        raise StrategyError(f"expected k from 1 to the pool's {len(pool)}, and a slack in (0, 1], got {k} and {slack}")
    attack = AttackSettings(model, norm, overshoot, max_iterations, minimum_step, candidates, batch_size)
    search = Search(attack, pool, k, slack, seed)
    search.look(classes, on_progress)
    if exhaustive:
        search.attack(np.arange(len(pool)), bound=np.inf)
    else:
        search.run()
    return search.result(exhaustive)
