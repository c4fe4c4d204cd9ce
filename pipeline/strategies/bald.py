"""Strategies over networks drawn by dropout: where they disagree, a label tells which of them are wrong.

Gal, Islam and Ghahramani, "Deep Bayesian active learning with image data", ICML 2017, arXiv:1703.02910, section 3. A
model without dropout is an error. Logarithms come from log_softmax, never from the logarithm of a probability.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import StrategyError
from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.strategies.base import QueryContext
from pipeline.strategies.one_pass import Block, Collector, Wants
from pipeline.strategies.ranking import Ranked, TopK


def mean_log_probabilities(draws: Tensor) -> Tensor:
    """Return the log of the mean probabilities, (B, K), of log probabilities (S, B, K)."""
    return torch.logsumexp(draws, dim=0) - math.log(len(draws))


def mutual_information(draws: Tensor) -> Tensor:
    """Return what a label is expected to tell about which network is right, in nats: BALD's score.

    Args:
        draws: Log probabilities, float64 (S, B, K).

    Returns:
        float64 (B,), entropy of the mean minus mean of the entropies; 0 where all networks agree.

    >>> sure = torch.log(torch.tensor([[[0.9, 0.1]], [[0.1, 0.9]]], dtype=torch.float64))
    >>> round(float(mutual_information(sure)[0]), 4)
    0.3681
    """
    whole = _entropy(mean_log_probabilities(draws))  # (B,)
    return (whole - _entropy(draws).mean(dim=0)).clamp_min(0.0)


def _entropy(logs: Tensor) -> Tensor:
    return -(logs.exp() * logs.clamp_min(torch.finfo(logs.dtype).min)).sum(dim=-1)


@dataclass(frozen=True, kw_only=True)
class _Drawn(Ranked):
    """A score over networks drawn by dropout.

    Attributes:
        draws: How many networks.
    """

    draws: int = 20

    descending: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.draws < 2:
            raise StrategyError(f"expected 2 draws or more for {self.name}, got {self.draws}; 20 is usual")

    @property
    def wants(self) -> Wants:
        """Networks drawn by dropout."""
        return Wants(draws=self.draws)


@dataclass(frozen=True, kw_only=True)
class Bald(_Drawn):
    """Highest mutual information between label and network (Houlsby et al., arXiv:1112.5745), in nats.

    Attributes:
        draws: How many networks.
    """

    name: ClassVar[str] = "bald"

    def score(self, block: Block) -> Tensor:
        """Return the mutual information, float64 (B,)."""
        return mutual_information(block.need_draws(self.draws))


@dataclass(frozen=True, kw_only=True)
class VariationRatios(_Drawn):
    """Highest 1 - max mean probability (Freeman 1965, as in Gal et al.); the score is its logarithm.

    Attributes:
        draws: How many networks.
    """

    name: ClassVar[str] = "variation_ratios"

    def score(self, block: Block) -> Tensor:
        """Return log(1 - p1) of the mean probabilities, float64 (B,)."""
        mean = mean_log_probabilities(block.need_draws(self.draws))  # (B, K)
        return torch.logsumexp(mean.scatter(1, mean.argmax(dim=1, keepdim=True), -torch.inf), dim=1)


@dataclass(frozen=True, kw_only=True)
class MeanStd(_Drawn):
    """Highest mean over the classes of the probability's standard deviation (Kampffmeyer et al. 2016; Gal et al.).

    Attributes:
        draws: How many networks.
    """

    name: ClassVar[str] = "mean_std"

    def score(self, block: Block) -> Tensor:
        """Return the mean standard deviation, float64 (B,), in [0, 0.5]."""
        return block.need_draws(self.draws).exp().std(dim=0, correction=0).mean(dim=1)


@dataclass(frozen=True, kw_only=True)
class PowerBald(_Drawn):
    """Random images with chances that grow as BALD's score to a power (Kirsch et al., arXiv:2106.12059).

    The score is log BALD plus Gumbel noise of the image's own, over the power: the k largest are a sample without
    replacement. Top-k BALD takes ten of a kind; this does not.

    Attributes:
        draws: How many networks.
        power: 0 is random, large is BALD.
    """

    power: float = 1.0

    name: ClassVar[str] = "power_bald"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.power < math.inf:
            raise StrategyError(f"expected a power above 0, got {self.power}; 1 is usual")

    def score(self, block: Block) -> Tensor:
        """Return the logarithm of the mutual information, float64 (B,)."""
        return mutual_information(block.need_draws(self.draws)).clamp_min(1e-300).log()

    def collector(self, context: QueryContext, k: int) -> Collector:
        """Return what keeps the k best scores with their noise."""

        def noisy(block: Block) -> Tensor:
            uniform = per_sample_uniform(derive_seed(context.seed, "gumbel"), block.ids, "power_bald")
            gumbel = -np.log(-np.log(uniform.clip(1e-300, 1 - 1e-16)))  # (B,)
            return self.score(block).cpu() + torch.from_numpy(gumbel) / self.power

        return TopK(k, noisy, descending=True, wants=self.wants)
