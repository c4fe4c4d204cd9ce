"""What every classifier here has in common, so that training, attacks and strategies need not know which one it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from pipeline.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What it takes to build a classifier again, kept beside its weights.

    Attributes:
        name: A name of `pipeline.catalog.MODELS`, or a factory's import path 'package.module:factory'.
        classes: Number of classes K.
        channels: 1 (gray) or 3 (color).
        image_size: Side S of the square images, in pixels.
    """

    name: str
    classes: int
    channels: int
    image_size: int

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise ModelError(f"expected at least 2 classes, got {self.classes}; name one more")
        if self.channels < 1 or self.image_size < 1:
            raise ModelError(f"expected channels and image_size above 0, got {self.channels} and {self.image_size}")

    def to_json(self) -> str:
        """Return the record as JSON with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True)


class Classifier(nn.Module):
    """A classifier in two parts: `features` (B, C, S, S) -> (B, D), and `head` (B, D) -> logits (B, K).

    Features are what the last linear layer reads, before its dropout. Normalization is inside, so distances in pixel
    space are what an attack on the model measures.

    Attributes:
        learning_rate_share: Of a recipe's rate, for networks that a usual rate destroys.
    """

    learning_rate_share: ClassVar[float] = 1.0

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture

    def features(self, images: Tensor) -> Tensor:
        """Return the embeddings, float (B, D), of images, float (B, C, S, S) in [0, 1]."""
        raise NotImplementedError

    def head(self, features: Tensor) -> Tensor:
        """Return the logits, float (B, K), of embeddings (B, D)."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, float (B, K), of images, float (B, C, S, S) in [0, 1]."""
        return self.head(self.features(images))


class Normalize(nn.Module):
    """Subtract a mean and divide by a deviation, a channel each; constants of the architecture, not learned."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)  # (1, C, 1, 1)
        self.register_buffer("deviation", torch.tensor(deviation).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return normalized images of the same shape."""
        return (images - self.mean) / self.deviation
