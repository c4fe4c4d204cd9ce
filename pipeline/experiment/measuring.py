"""How good a model is on the whole test set, in one pass; of this very model, never the best so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.experiment.data import ExperimentData
from pipeline.training.inference import predict_logits


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a test says of a model.

    Attributes:
        accuracy: Share of the test images that it gets right.
        balanced_accuracy: Mean of the recalls of the classes that the test set has.
        class_recall: (K,), None for a class without test images.
        calibration_error: How far the model's confidence lies from its accuracy, see `calibration_error`.
    """

    accuracy: float
    balanced_accuracy: float
    class_recall: tuple[float | None, ...]
    calibration_error: float


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
        calibration_error=calibration_error(logits, torch.from_numpy(data.test_targets)),
    )


def calibration_error(logits: Tensor, targets: Tensor, bins: int = 15) -> float:
    """Return the expected calibration error, in [0, 1] (Guo et al., arXiv:1706.04599, equation 5).

    Images are put into bins of equal width by the probability of their predicted class; each bin counts the distance
    between its mean probability and its share of right predictions, by its share of the images.

    Args:
        logits: (N, K).
        targets: int64 (N,), class positions.
        bins: Between 0 and 1; 15 as in the paper.

    >>> sure = torch.tensor([[50.0, 0.0]] * 4)
    >>> calibration_error(sure, torch.tensor([0, 0, 0, 1]))
    0.25
    """
    confidence, predicted = logits.double().softmax(dim=1).max(dim=1)  # (N,)
    right = (predicted == targets).double()
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1
    gaps = torch.zeros(bins, dtype=torch.float64).index_add_(0, place, confidence - right)
    return float(gaps.abs().sum() / len(targets))
