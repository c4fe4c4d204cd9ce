"""The two networks of the DFAL experiments, layer for layer, so that published figures can be laid beside ours.

Ducoffe and Precioso, "Adversarial Active Learning for Deep Networks: a Margin Based Approach", arXiv:1802.09841; layers
as in `build_model.py` of the authors' repository. They start as Keras starts them: Glorot uniform, biases zero.
"""

from __future__ import annotations

import itertools
from typing import ClassVar

import torch
from torch import Tensor, nn

from pipeline.errors import ModelError
from pipeline.models.base import Architecture, Classifier


class LeNet5(Classifier):
    """LeNet5 with the authors' unusual end: K linear units, dropout 0.5, then K logits.

    No normalization: they divided by 255 and no more. Features are the K-unit bottleneck (B, K).
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        side = ((architecture.image_size - 4) // 2 - 4) // 2
        _need_pixels(architecture, side, least=16)
        self.body = nn.Sequential(
            *(nn.Conv2d(architecture.channels, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
            *(nn.Conv2d(16, 120, 1), nn.Flatten()),
            *(nn.Linear(120 * side * side, 84), nn.ReLU(), nn.Linear(84, architecture.classes)),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.5), nn.Linear(architecture.classes, architecture.classes))
        _start_like_keras(self)

    def features(self, images: Tensor) -> Tensor:
        """Return the bottleneck's outputs (B, K)."""
        return torch.as_tensor(self.body(images))

    def head(self, features: Tensor) -> Tensor:
        """Return the logits (B, K)."""
        return torch.as_tensor(self.classifier(features))


class VGG8(Classifier):
    """VGG8, 6,641,930 parameters for 1 x 28 x 28 and 10 classes; no normalization, features (B, 4096).

    Ten layers without normalization: at 3e-3 all units die and it stays at chance; at 1e-3, which the authors used, it
    learns.
    """

    learning_rate_share: ClassVar[float] = 1 / 3

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        side = architecture.image_size // 2 // 2 // 2 // 2
        _need_pixels(architecture, side, least=16)
        widths = [(architecture.channels, 64), (64, 128), (128, 256, 256), (256, 512, 512)]
        layers: list[nn.Module] = []
        for block in widths:
            for before, after in itertools.pairwise(block):
                layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
            layers += [nn.MaxPool2d(2), nn.Dropout(0.25)]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(512 * side * side, 4096), nn.ReLU())
        self.classifier = nn.Sequential(nn.Dropout(0.5), nn.Linear(4096, architecture.classes))
        _start_like_keras(self)

    def features(self, images: Tensor) -> Tensor:
        """Return the dense layer's outputs (B, 4096)."""
        return torch.as_tensor(self.body(images))

    def head(self, features: Tensor) -> Tensor:
        """Return the logits (B, K)."""
        return torch.as_tensor(self.classifier(features))


def _need_pixels(architecture: Architecture, side: int, *, least: int) -> None:
    if side < 1:
        raise ModelError(
            f"expected images of {least} pixels a side or more for {architecture.name}, got {architecture.image_size}; "
            "use convnet, or a larger image size"
        )


def _start_like_keras(model: nn.Module) -> None:
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
