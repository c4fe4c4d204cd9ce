"""The discriminators: one that scores images by convolutions, and an autoencoder whose error is the score."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from pipeline.augmentation.gan.networks import CODES, Shape, halving_layers, leaky
from pipeline.augmentation.gan.recipe import GanRecipe

_CODE = 64  # width of the autoencoder's code
_PLANES = 16


class Discriminator(nn.Module):
    """Scores images: freely (is it real?), and as a class (is it a real one of this class?).

    Two heads on the same features let unlabeled images teach what is real while labels teach what is which
    (Shahbazi et al., arXiv:2201.06578). Which class head there is depends on the recipe's conditioning.
    """

    def __init__(self, shape: Shape, recipe: GanRecipe) -> None:
        super().__init__()
        widths = shape.widths(recipe.width)
        self.by, self.deviation = recipe.by, recipe.minibatch_deviation
        self.maps = nn.Sequential(*halving_layers(shape.channels, widths))
        side = shape.side >> shape.halvings
        inputs = widths[-1] + int(self.deviation)
        self.width = 2 * widths[-1]
        self.last = nn.Sequential(nn.Conv2d(inputs, self.width, side), leaky(), nn.Flatten())
        self.real = nn.Linear(self.width, 1)
        self.heads = _class_heads(self.by, self.width, shape.classes)

    def body(self, images: Tensor) -> Tensor:
        """Return the features (B, F) of images (B, C, S, S) in [-1, 1]."""
        maps = self.maps(images)
        if self.deviation:
            maps = torch.cat([maps, minibatch_deviation(maps)], dim=1)
        return torch.as_tensor(self.last(maps))

    def free(self, features: Tensor, images: Tensor) -> Tensor:
        """Return the scores (B,) whatever the class; the images are those of the features."""
        del images
        return torch.as_tensor(self.real(features))[:, 0]

    def of_class(self, features: Tensor, targets: Tensor) -> Tensor:
        """Return the scores (B,) as images of their classes (B,): by projection or concatenation."""
        chosen = self.heads["embedding"](targets)  # (B, F) or (B, 16)
        if self.by == "concatenation":
            return torch.as_tensor(self.heads["joint"](torch.cat([features, chosen], dim=1)))[:, 0]
        score = torch.as_tensor(self.heads["real"](features))[:, 0]
        return torch.as_tensor(score + (features * chosen).sum(dim=1) / math.sqrt(self.width))

    def classify(self, features: Tensor) -> Tensor:
        """Return class logits (B, K): of the auxiliary classifier, or of InfoGAN's Q."""
        return torch.as_tensor(self.heads["classes"](features))

    def codes(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return Q's means and log-variances (B, M) of InfoGAN's continuous codes."""
        mean, log_variance = self.heads["codes"](features).chunk(2, dim=1)
        return mean, log_variance.clamp(-4.0, 4.0)


class AutoencoderDiscriminator(Discriminator):
    """Gives images back through a narrow code; the error is the energy (EBGAN, BEGAN). A class head reads the code."""

    def __init__(self, shape: Shape, recipe: GanRecipe) -> None:
        super().__init__(shape, recipe)
        widths, side = shape.widths(recipe.width), shape.side >> shape.halvings
        self.absolute = recipe.loss == "began"
        self.last = nn.Sequential(nn.Conv2d(widths[-1] + int(self.deviation), _CODE, side), nn.Flatten())
        self.heads = _class_heads(self.by, _CODE, shape.classes)
        del self.real
        layers: list[nn.Module] = [nn.ConvTranspose2d(_CODE, widths[-1], shape.base), leaky()]
        for before, after in zip(widths[::-1], [*widths[-2::-1], widths[0]], strict=True):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), leaky()]
        self.decoder = nn.Sequential(*layers, nn.Conv2d(widths[0], shape.channels, 3, padding=1))
        self.side = shape.side

    def free(self, features: Tensor, images: Tensor) -> Tensor:
        """Return the energies (B,): mean squared error (EBGAN) or mean absolute error (BEGAN) of a pixel."""
        back = self.decoder(features[:, :, None, None])
        low = (back.shape[-1] - self.side) // 2
        apart = back[:, :, low : low + self.side, low : low + self.side] - images
        return torch.as_tensor((apart.abs() if self.absolute else apart**2).flatten(1).mean(dim=1))


def build_discriminator(shape: Shape, recipe: GanRecipe) -> Discriminator:
    """Return the discriminator that the recipe's loss needs."""
    network = (AutoencoderDiscriminator if recipe.terms.energy else Discriminator)(shape, recipe)
    if recipe.normalized:
        _normalize(network)
    return network


def minibatch_deviation(maps: Tensor) -> Tensor:
    """Return a map that says how much a batch varies: one number, the mean deviation over the batch.

    Karras et al., arXiv:1710.10196, section 3; real and generated images must be in batches of their own.

    Args:
        maps: (B, C, H, W).

    Returns:
        (B, 1, H, W).

    >>> minibatch_deviation(torch.tensor([0.0, 2.0]).view(2, 1, 1, 1)).flatten().round(decimals=3).tolist()
    [1.0, 1.0]
    """
    deviation = (maps.var(dim=0, unbiased=False) + 1e-8).sqrt().mean()
    return deviation.expand(len(maps), 1, *maps.shape[2:])


def _class_heads(by: str, width: int, classes: int) -> nn.ModuleDict:
    if by == "projection":
        embedding = nn.Embedding(classes, width)
        return nn.ModuleDict({"real": nn.Linear(width, 1), "embedding": embedding})
    if by == "concatenation":
        hidden = nn.Sequential(nn.Linear(width + _PLANES, width), leaky(), nn.Linear(width, 1))
        return nn.ModuleDict({"embedding": nn.Embedding(classes, _PLANES), "joint": hidden})
    if by == "auxiliary":
        return nn.ModuleDict({"classes": nn.Linear(width, classes)})
    return nn.ModuleDict({"classes": nn.Linear(width, classes), "codes": nn.Linear(width, 2 * CODES)})


def _normalize(network: nn.Module) -> None:
    """Give all layers with a weight spectral normalization, but for class heads, which are no part of the score."""
    found = [
        (name, layer)
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding)
    ]
    for name, layer in found:
        if name not in ("heads.classes", "heads.codes") and "parametrizations" not in name:
            spectral_norm(layer)
