"""A denoising convolutional autoencoder: features of images without any label.

Vincent et al., "Extracting and composing robust features with denoising autoencoders", ICML 2008: part of an image is
blanked and shaken, and the network gives the image back through a narrow code, which is the feature vector.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_SIDE = 32
_CODE = 64


class Autoencoder(nn.Module):
    """From images (B, C, S, S) in [0, 1] to codes (B, 64) and back; works at 32 x 32 inside.

    Args:
        channels: 1 or 3.
        code: Width D of the features.
    """

    def __init__(self, channels: int, code: int = _CODE) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *(nn.Conv2d(channels, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU()),
            *(nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.BatchNorm2d(64), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(64 * 16, code)),
        )
        self.decoder = nn.Sequential(
            *(nn.Linear(code, 64 * 16), nn.Unflatten(1, (64, 4, 4)), nn.BatchNorm2d(64), nn.ReLU()),
            *(nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU()),
            *(nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
            nn.ConvTranspose2d(16, channels, 4, stride=2, padding=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the codes (B, D)."""
        return torch.as_tensor(self.encoder(at_side(images)))

    def loss(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the mean squared error of images rebuilt from spoiled ones.

        Args:
            images: uint8 or float (B, C, S, S).
            generator: On the CPU, of what is spoiled.
        """
        whole = at_side(images)
        shape = (len(whole), 1, _SIDE // 4, _SIDE // 4)
        holes = (torch.rand(shape, generator=generator) < 0.25).to(whole)  # 4 x 4 pixels each
        noise = torch.randn(whole.shape, generator=generator).to(whole) * 0.1
        spoiled = whole * (1 - functional.interpolate(holes, scale_factor=4.0)) + noise
        return functional.mse_loss(self.decoder(self.encoder(spoiled)), whole)


def at_side(images: Tensor, side: int = _SIDE) -> Tensor:
    """Return images (B, C, S, S) as (B, C, 32, 32)."""
    if images.shape[-1] == side:
        return images
    return functional.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
