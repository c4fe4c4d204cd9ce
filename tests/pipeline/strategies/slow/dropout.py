"""Slow ones of many looks: dropout masks drawn one after the other, and what their votes tell."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.strategies.base import QueryContext
from tests.pipeline.strategies.slow.common import Ids, Slow, network, pixels


class Masked(nn.Module):
    """A dropout layer with one mask."""

    def __init__(self, name: str, draw: int, share: float, seed: int) -> None:
        super().__init__()
        self.key, self.share = derive_seed(seed, "dropout", name, 1, draw), share

    def forward(self, x: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(self.key)
        kept = torch.rand(x.shape[1:], generator=generator, dtype=torch.float64) < 1 - self.share
        return x * kept / (1 - self.share)


def drawn(context: QueryContext, draws: int) -> list[nn.Module]:
    """Networks whose dropout layers have one mask each."""
    networks = []
    for draw in range(draws):
        made = copy.deepcopy(network(context)).eval()
        for name, layer in list(made.named_modules()):
            if isinstance(layer, nn.Dropout):
                made.set_submodule(name, Masked(name, draw, layer.p, derive_seed(context.seed, "draws")))
        networks.append(made)
    return networks


def opinions(context: QueryContext, draws: int) -> dict[int, list[list[float]]]:
    """Probabilities by image, network and class."""
    networks = drawn(context, draws)
    with torch.no_grad():
        return {
            sample: [made(pixels(context, sample)).softmax(dim=1)[0].tolist() for made in networks]
            for sample in context.pool.ids.tolist()
        }


def of(p: list[float]) -> float:
    return -sum(x * math.log(x) for x in p if x > 0)


def information(votes: list[list[float]]) -> float:
    mean = [sum(column) / len(votes) for column in zip(*votes, strict=True)]
    return of(mean) - sum(of(vote) for vote in votes) / len(votes)


def over_draws(score: Callable[[list[list[float]]], float], *, largest: bool, draws: int = 20) -> Slow:
    def slow(context: QueryContext, k: int) -> Ids:
        votes = opinions(context, draws)
        sign = -1 if largest else 1
        return sorted(votes, key=lambda sample: (sign * score(votes[sample]), sample))[:k]

    return slow


def mean_confidence(votes: list[list[float]]) -> float:
    return max(sum(column) / len(votes) for column in zip(*votes, strict=True))


def mean_deviation(votes: list[list[float]]) -> float:
    deviations = []
    for column in zip(*votes, strict=True):
        mean = sum(column) / len(column)
        deviations.append(math.sqrt(sum((p - mean) ** 2 for p in column) / len(column)))
    return sum(deviations) / len(deviations)


def power_bald(context: QueryContext, k: int) -> Ids:
    votes = opinions(context, 20)
    seed = derive_seed(context.seed, "gumbel")
    noise = {s: -math.log(-math.log(per_sample_uniform(seed, np.array([s]), "power_bald")[0])) for s in votes}
    score = {s: math.log(max(information(votes[s]), 1e-300)) + noise[s] for s in votes}
    return sorted(votes, key=lambda s: (-score[s], s))[:k]


def batch_bald(context: QueryContext, k: int) -> Ids:
    """All joint outcomes, counted out anew for each candidate."""
    votes = opinions(context, 50)
    batch: Ids = []
    for _ in range(k):
        scored = [(-joint_information([votes[s] for s in [*batch, new]]), new) for new in votes if new not in batch]
        batch.append(min(scored)[1])
    return batch


def joint_information(votes: list[list[list[float]]]) -> float:
    joint = np.ones((len(votes[0]), 1))  # (S, M)
    for vote in votes:
        joint = (joint[:, :, None] * np.array(vote)[:, None, :]).reshape(len(joint), -1)
    mean = joint.mean(axis=0)
    separate = sum(sum(of(draw) for draw in vote) / len(vote) for vote in votes)
    return float(-(mean * np.log(mean)).sum() - separate)
