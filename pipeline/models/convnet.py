"""The default for small images: a short modern network, quick on two cores, good with few labels."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from pipeline.errors import ModelError
from pipeline.models.base import Architecture, Classifier, Normalize

_LEAST, _MOST = 8, 128


class ConvNet(Classifier):
    """3 x 3 convolutions with BatchNorm, halved after each stage but the last, then each map's maximum, one linear.

    Works from 8 to 128 pixels a side, gray or color. The only dropout stands in the head, so that Monte Carlo dropout
    needs the features just once.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        size = architecture.image_size
        if not _LEAST <= size <= _MOST:
            raise ModelError(
                f"expected an image size from {_LEAST} to {_MOST} for convnet, got {size}; larger: resnet18"
            )
        halvings = max(1, (size // 4).bit_length() - 1)  # 8 -> 1, 28 -> 2, 32 -> 3, 64 -> 4, 128 -> 5
        widths = [min(24 * 2**stage, 192) for stage in range(halvings + 1)]
        self.normalize = Normalize([0.5] * architecture.channels, [0.25] * architecture.channels)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise([architecture.channels, *widths]):
            layers += _convolution(before, after, halve=len(layers) < 4 * halvings)
        layers += _convolution(widths[-1], widths[-1], halve=False)
        self.body = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten())
        self.classifier = nn.Sequential(nn.Dropout(0.3), nn.Linear(widths[-1], architecture.classes))

    def features(self, images: Tensor) -> Tensor:
        """Return the maxima of the last maps (B, D)."""
        return torch.as_tensor(self.body(self.normalize(images)))

    def head(self, features: Tensor) -> Tensor:
        """Return the logits (B, K)."""
        return torch.as_tensor(self.classifier(features))


def _convolution(before: int, after: int, *, halve: bool) -> list[nn.Module]:
    """Return a convolution; where it halves, the maximum comes before BatchNorm and ReLU, which then do a quarter."""
    pool = [nn.MaxPool2d(2)] if halve else []
    return [nn.Conv2d(before, after, 3, padding=1, bias=False), *pool, nn.BatchNorm2d(after), nn.ReLU()]
