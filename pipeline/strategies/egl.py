"""Expected gradient length: the images whose label, whichever it is, would change the network most.

Settles, Craven and Ray, "Multiple-instance active learning", NeurIPS 2007; Settles 2009, section 3.3: the gradient's
length under each label, weighted by the model's probability of that label. Each label has its own gradient and length;
averaging gradients before taking a length, or weighting labels equally, is another and weaker criterion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from pipeline.attacks.border import check_logits
from pipeline.errors import StrategyError
from pipeline.features.embedding import require_features
from pipeline.models.gradient_lengths import gradient_lengths
from pipeline.models.state import borrowed
from pipeline.strategies.adversarial import rank_by_gradient
from pipeline.strategies.badge import probability_error
from pipeline.strategies.base import QueryContext, Selection, check_request, model_of

_LABELS = 16  # labels whose gradients are measured in one forward pass
_LAYERS = ("all", "last")


@dataclass(frozen=True, kw_only=True)
class EGL:
    """Largest expected length of the loss's gradient.

    Attributes:
        layers: 'all' parameters, by a backward pass a class; or the 'last' layer's weights alone, whose gradient is a
            product of two vectors: the price of one look, and close to BADGE's length.
    """

    layers: str = "all"

    name: ClassVar[str] = "egl"
    needs_model: ClassVar[bool] = True
    makes_copies: ClassVar[bool] = False
    mergeable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.layers not in _LAYERS:
            raise StrategyError(f"expected layers 'all' or 'last', got {self.layers!r}")

    def select(self, context: QueryContext, k: int) -> Selection:
        """Return the k images of the largest expected gradient."""
        check_request(self, context, k)
        model = model_of(context)
        measure = _last_layer if self.layers == "last" else _all_layers
        return rank_by_gradient(context, k, measure(model, context.classes), descending=True)


def _last_layer(model: nn.Module, classes: int) -> Callable[[Tensor], Tensor]:
    classifier = require_features(model)

    def measure(images: Tensor) -> Tensor:
        with borrowed(model), torch.inference_mode():
            features = classifier.features(images)  # (B, D)
            logits = classifier.head(features)
            check_logits(logits, classes)
            chance = torch.softmax(logits.double(), dim=1)  # (B, K)
            square = chance.square().sum(dim=1, keepdim=True)  # (B, 1)
            error = (square - 2 * chance + 1).clamp_min(0.0)  # (B, K), |p - e_y|^2
            first = chance.argmax(dim=1, keepdim=True)
            near = probability_error(logits).square().sum(dim=1, keepdim=True)  # keeps its digits where p is near e
            error = error.scatter(1, first, near).sqrt()
            return torch.as_tensor((chance * error).sum(dim=1) * features.double().norm(dim=1))

    return measure


def _all_layers(model: nn.Module, classes: int) -> Callable[[Tensor], Tensor]:
    def measure(images: Tensor) -> Tensor:
        with borrowed(model), torch.inference_mode(mode=False), torch.enable_grad():
            with torch.no_grad():
                logits = model(images)
            check_logits(logits, classes)
            chance = torch.softmax(logits.double(), dim=1)  # (B, K)
            lengths = []
            for labels in torch.split(torch.eye(classes, dtype=chance.dtype, device=chance.device), _LABELS):
                errors = chance[:, None] - labels  # (B, M, K), gradients of the loss by the logits
                lengths.append(gradient_lengths(model, images.clone(), errors.to(images.dtype)))
            return (chance * torch.cat(lengths, dim=1)).sum(dim=1)

    return measure
