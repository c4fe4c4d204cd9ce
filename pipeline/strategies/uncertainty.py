"""Strategies that read the model's probabilities, computed so that a sure model does not turn them into ties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.attacks.border import check_logits
from pipeline.strategies.base import QueryContext, Selection, check_request, model_of, take_best
from pipeline.training.inference import iterate_logits


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


@dataclass(frozen=True, kw_only=True)
class Margin:
    """Smallest gap between the two highest probabilities (Scheffer, Decomain and Wrobel, IDA 2001).

    The score is `margin_score`, smallest first; 1 - exp(-score) is the margin.
    """

    name: ClassVar[str] = "margin"
    needs_model: ClassVar[bool] = True
    makes_copies: ClassVar[bool] = False

    def select(self, context: QueryContext, k: int) -> Selection:
        """Return the k images with the smallest margin."""
        check_request(self, context, k)
        ids, scores, predicted, runner_up = _read(context)
        best = take_best(ids, scores, k)
        return Selection(ids=ids[best], scores=scores[best], predicted=predicted[best], nearest=runner_up[best])


def two_highest(context: QueryContext) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the two classes of highest logit for each image of the context's pool: (N,) and (N,).

    Raises:
        StrategyError: There is no model, or its logits are unfit.
    """
    return _read(context)[2:]


def _read(
    context: QueryContext,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Stream the pool once: ids, scores, best and second class, all (N,)."""
    done, parts = 0, []
    for ids, logits in iterate_logits(model_of(context), context.pool, batch_size=context.batch_size):
        check_logits(logits, context.classes)
        first = logits.argmax(dim=1, keepdim=True)  # (B, 1)
        second = logits.scatter(1, first, -torch.inf).argmax(dim=1)  # (B,)
        parts.append((ids, margin_score(logits.cpu()).numpy(), first[:, 0].cpu().numpy(), second.cpu().numpy()))
        done += len(ids)
        if context.on_progress is not None:
            context.on_progress(done, len(context.pool), "looking at the pool")
    ids, scores, best, runner_up = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return ids, scores, best, runner_up
