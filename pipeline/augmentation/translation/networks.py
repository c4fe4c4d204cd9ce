"""The generators and discriminators of CycleGAN, small, for any image side from 16 pixels on, gray or color.

Zhu et al., arXiv:1703.10593, appendix: a generator is c7s1, two halvings, residual blocks, two doublings, c7s1 with
tanh; a discriminator judges patches. Ours doubles by interpolation and a convolution, which leaves no checkerboard
(Odena, Dumoulin and Olah, "Deconvolution and checkerboard artifacts", Distill 2016) and fits sides that four does not
divide.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import ModelError

LEAST_SIDE = 16
_DEEP_FROM = 48  # pixels; above, patches of 70 pixels as in the paper, below of 34
_SLOPE = 0.2


class Translator(nn.Module):
    """A generator: from images float (B, C, S, S) in [-1, 1] to images of the same shape and range.

    Args:
        channels: 1 (gray) or 3 (color).
        width: Channels of the first layer.
        blocks: Residual blocks.

    Attributes:
        sizes: The three, kept beside the weights to build it again.
    """

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.sizes = {"channels": channels, "width": width, "blocks": blocks}
        self.entry = nn.Sequential(*_convolution(channels, width, 7), nn.ReLU())
        self.halvings = nn.ModuleList(
            nn.Sequential(*_convolution(before, 2 * before, 3, stride=2), nn.ReLU()) for before in (width, 2 * width)
        )
        self.middle = nn.Sequential(*(_Residual(4 * width) for _ in range(blocks)))
        self.doublings = nn.ModuleList(
            nn.Sequential(*_convolution(before, before // 2, 3), nn.ReLU()) for before in (4 * width, 2 * width)
        )
        self.exit = nn.Conv2d(width, channels, 7, padding=3, padding_mode="reflect")
        start(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the translations (B, C, S, S) in [-1, 1]."""
        x, sides = self.entry(images), []
        for halve in self.halvings:
            sides.append(x.shape[-2:])
            x = halve(x)
        x = self.middle(x)
        for double, side in zip(self.doublings, reversed(sides), strict=True):
            x = double(functional.interpolate(x, size=side, mode="nearest"))
        return torch.as_tensor(self.exit(x).tanh())


class PatchDiscriminator(nn.Module):
    """Says for each patch of images (B, C, S, S) in [-1, 1] whether it looks real: scores (B, 1, P, P), 1 is real.

    Args:
        channels: 1 or 3.
        width: Channels of the first layer.
        side: S of the images, in pixels; decides how deep it is.
    """

    def __init__(self, channels: int, width: int, side: int) -> None:
        super().__init__()
        depth = 3 if side >= _DEEP_FROM else 2
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(_SLOPE)]
        for _ in range(depth - 1):
            layers += [nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False), nn.InstanceNorm2d(2 * width)]
            layers += [nn.LeakyReLU(_SLOPE)]
            width *= 2
        layers += [nn.Conv2d(width, 2 * width, 4, padding=1, bias=False), nn.InstanceNorm2d(2 * width)]
        self.body = nn.Sequential(*layers, nn.LeakyReLU(_SLOPE), nn.Conv2d(2 * width, 1, 4, padding=1))
        start(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores (B, 1, P, P)."""
        return torch.as_tensor(self.body(images))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_convolution(width, width, 3), nn.ReLU(), *_convolution(width, width, 3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(x + self.body(x))


def _convolution(before: int, after: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """Return a convolution with reflected borders and its instance normalization, each image by itself."""
    layer = nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, padding_mode="reflect", bias=False)
    return [layer, nn.InstanceNorm2d(after)]


def start(network: nn.Module) -> None:
    """Draw first weights from a normal distribution of deviation 0.02, from torch's global generator."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def check_shape(shape: tuple[int, ...]) -> None:
    """Make sure that images of shape (C, S, S) can be translated.

    Raises:
        ModelError: They are not square or too small.
    """
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] < LEAST_SIDE:
        raise ModelError(
            f"expected square images of {LEAST_SIDE} pixels a side or more, got {shape}; take a larger image size"
        )
