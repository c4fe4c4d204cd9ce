"""The loss of a step's images, in small parts that trainers put together."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional


def class_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    offsets: Tensor | None = None,
    factors: Tensor | None = None,
    smoothing: float = 0.0,
    reduction: Literal["mean", "sum"] = "mean",
) -> Tensor:
    """Return the mean cross-entropy of logits with the classes, or its sum.

    Args:
        logits: float (B, K).
        targets: int64 (B,), class positions.
        offsets: float (M,) with M <= K, added to the logits while training (see `pipeline.training.balance`); what is
            missing counts 0.
        factors: float (B,), what each image counts; 1 on average over all images, not over these.
        smoothing: Label smoothing, in [0, 1).
        reduction: 'mean' or 'sum', over the rows.

    >>> import torch
    >>> logits, targets = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
    >>> round(float(class_loss(logits, targets)), 4)
    0.2201
    >>> round(float(class_loss(logits, targets, factors=torch.tensor([2.0, 0.0]))), 4)
    0.1269
    """
    if offsets is not None:
        logits = logits + functional.pad(offsets.to(logits), (0, logits.shape[-1] - len(offsets)))
    targets = targets.to(logits.device)
    if factors is None:
        return functional.cross_entropy(logits, targets, label_smoothing=smoothing, reduction=reduction)
    each = functional.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")
    counted = each * factors.to(each)
    return counted.sum() if reduction == "sum" else counted.mean()
