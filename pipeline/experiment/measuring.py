"""How good a model is on the whole test set, in one pass; of this very model, never the best so far."""

from __future__ import annotations

import torch
from torch import nn

from pipeline.experiment.data import ExperimentData
from pipeline.statistics.classification import Classified, classified
from pipeline.training.inference import predict_logits


def measure(model: nn.Module, data: ExperimentData, device: torch.device) -> Classified:
    """Classify the whole test set."""
    _, logits = predict_logits(model, data.test, device=device)  # (M, K)
    predicted = logits.argmax(dim=1)
    confidence = torch.softmax(logits.double(), dim=1).gather(1, predicted[:, None])[:, 0]
    return classified(data.test_targets, predicted.numpy(), confidence.numpy(), classes=len(data.classes))
