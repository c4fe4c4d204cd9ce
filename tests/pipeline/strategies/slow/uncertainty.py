"""Slow ones of one look: distances to the border, margins, entropies, signs."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.attacks.deepfool import deepfool
from pipeline.randomness import per_sample_uniform
from pipeline.strategies.base import QueryContext
from tests.pipeline.strategies.slow.common import chances, network, pixels


def distance(context: QueryContext, sample: int) -> float:
    return float(deepfool(network(context), context.pool.take([sample])).distance)


def one_step(context: QueryContext, sample: int) -> float:
    image = pixels(context, sample).requires_grad_()
    logits = network(context)(image)[0]
    first = int(logits.argmax())
    best = math.inf
    for other in range(len(logits)):
        if other != first:
            gap = logits[first] - logits[other]
            slope = torch.autograd.grad(gap, image, retain_graph=True)[0]
            best = min(best, float(gap.detach()) / float(slope.norm()))
    return best


def margin(context: QueryContext, sample: int) -> float:
    first, second = sorted(chances(context, sample), reverse=True)[:2]
    return first - second


def confidence(context: QueryContext, sample: int) -> float:
    return max(chances(context, sample))


def entropy(context: QueryContext, sample: int) -> float:
    return -sum(p * math.log(p) for p in chances(context, sample) if p > 0)


def logit_gap(context: QueryContext, sample: int) -> float:
    with torch.no_grad():
        first, second = network(context)(pixels(context, sample))[0].topk(2).values.tolist()
    return float(first - second)


def random(context: QueryContext, sample: int) -> float:
    return float(per_sample_uniform(context.seed, np.array([sample]), "random_sampling")[0])


def signs(*, once: bool) -> Callable[[QueryContext, int], float]:
    """Walk along the gradient's sign, then halve the last step."""

    def score(context: QueryContext, sample: int) -> float:
        model, image = network(context), pixels(context, sample)
        first = int(model(image).argmax())

        def direction(at: Tensor) -> Tensor:
            x = at.clone().requires_grad_()
            loss = nn.functional.cross_entropy(model(x), torch.tensor([first]))
            return torch.autograd.grad(loss, x)[0].sign()

        def crossed(push: Tensor) -> bool:
            return int(model(image + push).argmax()) != first

        way, push = direction(image), torch.zeros_like(image)
        for turn in range(50):
            if turn and not once:
                way = direction(image + push)
            before, push = push, push + 0.02 * way
            if crossed(push):
                for _ in range(12):
                    middle = (before + push) / 2
                    before, push = (before, middle) if crossed(middle) else (middle, push)
                return float(push.norm())
        return math.inf

    return score
