"""How good a model is on the whole test set, in one pass; of this very model, never the best so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from pipeline.experiment.data import ExperimentData
from pipeline.training.inference import predict_logits


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a test says of a model.

    Attributes:
        accuracy: Share of the test images that it gets right.
        balanced_accuracy: Mean of the recalls of the classes that the test set has.
        class_recall: (K,), None for a class without test images.
    """

    accuracy: float
    balanced_accuracy: float
    class_recall: tuple[float | None, ...]


def measure(model: nn.Module, data: ExperimentData, device: torch.device) -> Measured:
    """Classify the whole test set."""
    _, logits = predict_logits(model, data.test, device=device)  # (M, K)
    right = logits.argmax(dim=1).numpy() == data.test_targets
    classes = len(data.classes)
    there = np.bincount(data.test_targets, minlength=classes)  # (K,)
    hits = np.bincount(data.test_targets[right], minlength=classes)
    recall = tuple(float(hit / count) if count else None for hit, count in zip(hits, there, strict=True))
    return Measured(
        accuracy=float(right.mean()),
        balanced_accuracy=float(np.mean([share for share in recall if share is not None])),
        class_recall=recall,
    )
