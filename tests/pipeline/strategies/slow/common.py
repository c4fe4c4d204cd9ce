"""What the slow strategies share: the k best by a score, and one image through the network at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from pipeline.models.base import Classifier
from pipeline.strategies.base import QueryContext

Ids = list[int]
Slow = Callable[[QueryContext, int], Ids]


def by_score(score: Callable[[QueryContext, int], float], *, largest: bool = False) -> Slow:
    """The k images of the best score of one image."""

    def slow(context: QueryContext, k: int) -> Ids:
        sign = -1 if largest else 1
        scored = [(sign * score(context, sample), sample) for sample in context.pool.ids.tolist()]
        return [sample for _, sample in sorted(scored)[:k]]

    return slow


def pixels(context: QueryContext, sample: int) -> Tensor:
    return context.pool.take([sample]).double() / 255


def network(context: QueryContext) -> Classifier:
    assert isinstance(context.model, Classifier)
    return context.model


def chances(context: QueryContext, sample: int) -> list[float]:
    with torch.no_grad():
        logits = network(context)(pixels(context, sample))[0].tolist()
    top = max(logits)
    total = sum(math.exp(z - top) for z in logits)
    return [math.exp(z - top) / total for z in logits]
