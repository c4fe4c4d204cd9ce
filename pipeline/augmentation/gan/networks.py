"""The generator, and what both networks share: DCGAN's rules for any side from 16 to 128 pixels.

Radford et al., arXiv:1511.06434: strided convolutions instead of pooling, no hidden fully connected layers,
BatchNorm and ReLU in the generator with tanh at its end, LeakyReLU in the discriminator. The discriminator has spectral
normalization instead of BatchNorm, whose batches would tell real from generated.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.augmentation.gan.recipe import GanRecipe
from pipeline.errors import TrainingError

CODES = 2  # continuous codes of InfoGAN: the last of z
_EMBEDDING = 32
_EMBEDDING_START = (
    0.3  # of the noise's 1: as loud as the noise, each class drew one and the same image (tried on MNIST)
)
_MOST_WIDENING = 8
_LEAST_SIDE, _MOST_SIDE = 16, 128
_SLOPE = 0.2
_STATISTICS_BATCHES, _STATISTICS_SIZE = 8, 64


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What images are drawn.

    Attributes:
        classes: Number of classes K.
        channels: 1 (gray) or 3 (color).
        side: S, in pixels.
    """

    classes: int
    channels: int
    side: int

    def __post_init__(self) -> None:
        if self.classes < 1 or self.channels not in (1, 3):
            raise TrainingError(f"expected classes and 1 or 3 channels, got {self.classes} and {self.channels}")
        if not _LEAST_SIDE <= self.side <= _MOST_SIDE:
            raise TrainingError(
                f"expected images of {_LEAST_SIDE} to {_MOST_SIDE} pixels a side, got {self.side}; "
                "a generator of other sizes is not at hand"
            )

    @property
    def halvings(self) -> int:
        """How often the side is halved until it is 4 to 7 (at most 8 rounded up).

        >>> [Shape(classes=2, channels=1, side=side).halvings for side in (16, 28, 32, 100, 128)]
        [2, 2, 3, 4, 5]
        """
        return (self.side // 4).bit_length() - 1

    @property
    def base(self) -> int:
        """Side of the coarsest map; doubled `halvings` times it is the image's side or a little more.

        >>> [Shape(classes=2, channels=1, side=side).base for side in (16, 28, 32, 100, 128)]
        [4, 7, 4, 7, 4]
        """
        return -(-self.side >> self.halvings)

    def widths(self, width: int) -> list[int]:
        """Return the channels of the maps from finest to coarsest.

        >>> Shape(classes=2, channels=1, side=128).widths(16)
        [16, 32, 64, 128, 128]
        """
        return [width * min(1 << step, _MOST_WIDENING) for step in range(self.halvings)]


class Generator(nn.Module):
    """From noise and a class to an image (B, C, S, S) in [-1, 1].

    The class is embedded and laid beside the noise, times how much it counts: at 0 all classes are one.
    """

    def __init__(self, shape: Shape, recipe: GanRecipe) -> None:
        super().__init__()
        self.shape, self.latent = shape, recipe.latent
        widths = shape.widths(recipe.width)[::-1]
        self.embedding = nn.Embedding(shape.classes, _EMBEDDING)
        self.start = nn.ConvTranspose2d(recipe.latent + _EMBEDDING, widths[0], shape.base, bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for before, after in zip(widths, [*widths[1:], widths[-1]], strict=True):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(after), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Conv2d(widths[-1], shape.channels, 3, padding=1), nn.Tanh())
        _start_like_dcgan(self)
        nn.init.normal_(self.embedding.weight, 0.0, _EMBEDDING_START)

    def forward(self, noise: Tensor, targets: Tensor, condition: float = 1.0) -> Tensor:
        """Return images (B, C, S, S) in [-1, 1].

        Args:
            noise: (B, Z).
            targets: int64 (B,), class positions.
            condition: How much the class counts, in [0, 1].
        """
        start = torch.cat([noise, condition * self.embedding(targets)], dim=1)  # (B, Z + E)
        images = self.body(self.start(start[:, :, None, None]))
        spare = images.shape[-1] - self.shape.side
        low, side = spare // 2, self.shape.side
        return torch.as_tensor(images[:, :, low : low + side, low : low + side])


def draw_noise(count: int, latent: int, *, coded: bool, generator: torch.Generator) -> Tensor:
    """Return noise (B, Z): normal, and with InfoGAN's codes at its end uniform in [-1, 1]."""
    noise = torch.randn(count, latent, generator=generator)
    if coded:
        noise[:, -CODES:] = torch.rand(count, CODES, generator=generator) * 2 - 1
    return noise


def halving_layers(channels: int, widths: list[int]) -> list[nn.Module]:
    """Return strided convolutions with LeakyReLU from images to the coarsest map."""
    layers: list[nn.Module] = []
    for before, after in zip([channels, *widths[:-1]], widths, strict=True):
        layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(_SLOPE)]
    return layers


def leaky() -> nn.Module:
    """Return DCGAN's LeakyReLU."""
    return nn.LeakyReLU(_SLOPE)


def refresh_statistics(generator: Generator, present: Tensor, *, coded: bool, condition: float, seed: int) -> None:
    """Set the running statistics of BatchNorm to those of the weights as they are now, over the classes in equal parts.

    A running average of weights has no statistics of its own ("standing statistics", Brock et al., arXiv:1809.11096).
    """
    layers = [layer for layer in generator.modules() if isinstance(layer, nn.BatchNorm2d)]
    device = generator.embedding.weight.device
    draws = torch.Generator().manual_seed(seed)
    momentum = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over the batches
    generator.train()
    with torch.no_grad():
        for batch in range(_STATISTICS_BATCHES):
            noise = draw_noise(_STATISTICS_SIZE, generator.latent, coded=coded, generator=draws)
            targets = present[(torch.arange(_STATISTICS_SIZE) + batch * _STATISTICS_SIZE) % len(present)]
            generator(noise.to(device), targets.to(device), condition)
    for layer, value in zip(layers, momentum, strict=True):
        layer.momentum = value
    generator.eval()


def _start_like_dcgan(network: nn.Module) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
