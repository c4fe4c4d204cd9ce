"""How good a network is on validation images while it trains: what decides when to stop, and which weights to keep."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from pipeline.data.transforms import to_float
from pipeline.models.state import borrowed, device_and_type
from pipeline.training.inference import inference_batch
from pipeline.training.labeled import LabeledImages


@dataclass(frozen=True, kw_only=True)
class Validated:
    """What validation images say.

    Attributes:
        loss: Mean cross-entropy.
        accuracy: Share that is right, in [0, 1].
        balanced_accuracy: Mean of the classes' recalls, of those that have images.
    """

    loss: float
    accuracy: float
    balanced_accuracy: float


def validate(model: nn.Module, images: LabeledImages, device: torch.device) -> Validated:
    """Classify validation images as they are; the model is left as it was found."""
    size = inference_batch(tuple(images.images.shape[1:]), device)
    loss, right = 0.0, torch.zeros(len(images), dtype=torch.float64)
    with borrowed(model), torch.inference_mode():
        for start in range(0, len(images), size):
            targets = images.targets[start : start + size].to(device)
            logits = model(to_float(images.images[start : start + size].to(device), device_and_type(model)[1]))
            loss += float(functional.cross_entropy(logits, targets, reduction="sum"))
            right[start : start + size] = (logits.argmax(dim=1) == targets).double().cpu()
    there = torch.bincount(images.targets.cpu())  # (K,)
    recall = torch.bincount(images.targets.cpu(), weights=right)[there > 0] / there[there > 0]
    return Validated(loss=loss / len(images), accuracy=float(right.mean()), balanced_accuracy=float(recall.mean()))
