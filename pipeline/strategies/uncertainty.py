"""Strategies that read the model's probabilities, computed so that a sure model does not turn them into ties.

Settles, "Active learning literature survey", 2009, section 3.1, compares them. Log probabilities come from log_softmax
in float64, never from the logarithm of a softmax.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pipeline.strategies.one_pass import Block
from pipeline.strategies.ranking import Ranked


def margin_score(logits: Tensor) -> Tensor:
    """Return -log(1 - margin) of softmax probabilities, in nats: 0 on the border, growing without end.

    The margin p1 - p2 itself is 1.0 exactly, a tie, for every image that a model is sure of. Its complement,
    2 p2 + p3 + ... + pK, keeps its digits as a logarithm; for small margins p1 (1 - exp(z2 - z1)) keeps its own.

    Args:
        logits: (B, K).

    Returns:
        float64 (B,), ordered as the margins are.

    >>> score = margin_score(torch.tensor([[1.0, 1.0], [2.0, 0.0], [900.0, 0.0]]))
    >>> [round(float(s), 3) for s in score]
    [0.0, 1.434, 899.307]
    """
    logs = torch.log_softmax(logits.double(), dim=1).sort(dim=1, descending=True).values  # (B, K)
    margin = logs[:, 0].exp() * -torch.expm1(logs[:, 1] - logs[:, 0])  # (B,)
    doubled = torch.cat([logs[:, 1:2] + np.log(2.0), logs[:, 2:]], dim=1)  # (B, K - 1)
    near = torch.log1p(-margin.clamp(max=0.5)).abs()  # abs, for -log1p(0) is -0.0
    return torch.where(margin < 0.5, near, -torch.logsumexp(doubled, dim=1))


def doubt(logits: Tensor) -> Tensor:
    """Return log(1 - p1), the log probability of all but the predicted class, in nats.

    Args:
        logits: (B, K).

    Returns:
        float64 (B,), in (-inf, log(1 - 1/K)]; keeps its digits where 1 - p1 is zero in floating point.

    >>> [round(float(d), 3) for d in doubt(torch.tensor([[1.0, 1.0], [900.0, 0.0]]))]
    [-0.693, -900.0]
    """
    logits = logits.double()
    others = logits.scatter(1, logits.argmax(dim=1, keepdim=True), -torch.inf)  # (B, K)
    return torch.logsumexp(others, dim=1) - torch.logsumexp(logits, dim=1)


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy of softmax probabilities, in nats.

    Args:
        logits: (B, K).

    Returns:
        float64 (B,), in [0, log K].

    >>> [round(float(h), 3) for h in entropy(torch.tensor([[1.0, 1.0], [900.0, 0.0]]))]
    [0.693, 0.0]
    """
    logs = torch.log_softmax(logits.double(), dim=1)  # (B, K)
    return torch.as_tensor(torch.special.entr(logs.exp()).sum(dim=1))


@dataclass(frozen=True, kw_only=True)
class LeastConfidence(Ranked):
    """Lowest probability of the predicted class (Lewis and Gale, SIGIR 1994).

    The score is log(1 - p1) in nats, largest first; p1 itself would be 1.0, a tie, wherever the model is sure.
    """

    name: ClassVar[str] = "least_confidence"
    descending: ClassVar[bool] = True

    def score(self, block: Block) -> Tensor:
        """Return log(1 - p1), float64 (B,)."""
        return doubt(block.logits)


@dataclass(frozen=True, kw_only=True)
class Margin(Ranked):
    """Smallest gap between the two highest probabilities (Scheffer, Decomain and Wrobel, IDA 2001).

    The score is `margin_score`, smallest first; 1 - exp(-score) is the margin.
    """

    name: ClassVar[str] = "margin"

    def score(self, block: Block) -> Tensor:
        """Return -log(1 - margin), float64 (B,)."""
        return margin_score(block.logits)


@dataclass(frozen=True, kw_only=True)
class LogitGap(Ranked):
    """Smallest gap between the two highest logits: the log odds of the two likeliest classes, whatever the others."""

    name: ClassVar[str] = "logit_gap"

    def score(self, block: Block) -> Tensor:
        """Return z1 - z2, float64 (B,)."""
        best = block.logits.double().topk(2, dim=1).values  # (B, 2)
        return best[:, 0] - best[:, 1]


@dataclass(frozen=True, kw_only=True)
class Entropy(Ranked):
    """Highest entropy of the class probabilities (Shannon 1948); the score is in nats, largest first."""

    name: ClassVar[str] = "entropy"
    descending: ClassVar[bool] = True

    def score(self, block: Block) -> Tensor:
        """Return the entropy, float64 (B,)."""
        return entropy(block.logits)
