"""Adversarial copies as training data: the second half of DFAL, a switch that works with any strategy.

A copy is a queried image pushed just over the border; it carries the class that the annotator gave to its original
(Ducoffe and Precioso, arXiv:1802.09841). Copies take at most half of a batch, are never validated on, and where a model
has BatchNorm they pass through it with statistics of their own (Xie et al., AdvProp, arXiv:1911.09665).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.errors import TrainingError
from pipeline.training.labeled import LabeledImages

_LEAST_COPIES = 8  # a handful is needed for BatchNorm statistics to mean anything


def copies_weight(labeled: int, copies: int, most: float) -> float:
    """Return the share of the loss that copies get: their share of the images, never above `most`.

    >>> copies_weight(90, 30, 0.5)
    0.25
    >>> copies_weight(20, 30, 0.5)
    0.5
    """
    return min(copies / (labeled + copies), most) if copies else 0.0


def copies_in_batch(batch_size: int, weight: float) -> int:
    """Return how many of a batch are copies: by weight, at least a handful, at most half.

    >>> copies_in_batch(32, 0.25), copies_in_batch(32, 0.01), copies_in_batch(8, 0.5), copies_in_batch(32, 0.0)
    (8, 8, 4, 0)
    """
    return min(max(round(batch_size * weight), _LEAST_COPIES), batch_size // 2) if weight else 0


def check_copies(copies: LabeledImages, labeled: LabeledImages, validation: LabeledImages | None) -> None:
    """Make sure that each copy carries the label of its original and none leaks into validation.

    Raises:
        TrainingError: A copy's original is not among the labeled images, has another class, or is validated on.
    """
    known = dict(zip(labeled.ids.tolist(), labeled.targets.tolist(), strict=True))
    for sample, target in zip(copies.ids.tolist(), copies.targets.tolist(), strict=True):
        if known.get(sample) != target:
            raise TrainingError(
                f"expected the copy of sample {sample} with its original's class {known.get(sample)}, got {target}; "
                "take copies only of labeled samples, with today's label"
            )
    if validation is not None and not set(copies.ids.tolist()).isdisjoint(validation.ids.tolist()):
        raise TrainingError("expected no copy of a validation image, got one; validation must stay apart from training")


@contextmanager
def own_batch_statistics(model: nn.Module) -> Iterator[None]:
    """Normalize what passes by its own batch statistics and leave the running ones, which inference uses, alone."""
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    try:
        for layer in layers:
            layer.track_running_stats = False
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


def has_batch_statistics(model: nn.Module) -> bool:
    """Return whether a model has BatchNorm layers with running statistics."""
    return any(isinstance(module, _BatchNorm) and module.track_running_stats for module in model.modules())


def logits_of_both(model: nn.Module, real: Tensor, copies: Tensor) -> tuple[Tensor, Tensor]:
    """Return the training logits of real images (B, C, S, S) and of copies (M, C, S, S), (B, K) and (M, K)."""
    if has_batch_statistics(model):
        with own_batch_statistics(model):
            of_copies = model(copies)
        return model(real), of_copies
    both = model(torch.cat([real, copies]))
    return both[: len(real)], both[len(real) :]
