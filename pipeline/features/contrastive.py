"""A contrastive network: two changed views of an image get near features, views of different images far ones.

Chen et al., "A simple framework for contrastive learning of visual representations" (SimCLR), ICML 2020,
arXiv:2002.05709.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.data.transforms import augment
from pipeline.features.autoencoder import at_side

_TEMPERATURE = 0.2
_CODE = 96


class Contrastive(nn.Module):
    """From images (B, C, S, S) in [0, 1] to features (B, 96); works at 32 x 32 inside.

    Args:
        channels: 1 or 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, stride in ((channels, 32, 2), (32, 64, 2), (64, _CODE, 2), (_CODE, _CODE, 1)):
            convolution = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
        self.encoder = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten())
        self.projection = nn.Sequential(nn.Linear(_CODE, _CODE), nn.ReLU(), nn.Linear(_CODE, 64))

    def forward(self, images: Tensor) -> Tensor:
        """Return the features (B, D)."""
        return torch.as_tensor(self.encoder(at_side(images)))

    def loss(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the normalized-temperature cross-entropy (SimCLR, equation 1) of two views an image.

        Args:
            images: uint8 or float (B, C, S, S).
            generator: On the CPU, of the views.
        """
        views = torch.cat([augment(images, generator), augment(images, generator)])  # (2 B, C, S, S)
        places = functional.normalize(self.projection(self(views)), dim=1)  # (2 B, 64)
        alike = (places @ places.T / _TEMPERATURE).fill_diagonal_(-torch.inf)
        count = len(images)
        partner = torch.cat([torch.arange(count, 2 * count), torch.arange(count)]).to(alike.device)
        return functional.cross_entropy(alike, partner)
