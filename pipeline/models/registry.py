"""Builds a classifier from its name, the same one for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from pipeline.catalog import MODELS
from pipeline.errors import ModelError
from pipeline.models.backbones import BACKBONES, Backbone, Weights, read_weights
from pipeline.models.base import Architecture, Classifier
from pipeline.models.convnet import ConvNet
from pipeline.models.custom import Custom
from pipeline.models.small import VGG8, LeNet5
from pipeline.models.state import private_randomness
from pipeline.randomness import derive_seed

_OURS: dict[str, Callable[[Architecture], Classifier]] = {"convnet": ConvNet, "lenet5": LeNet5, "vgg8": VGG8}


def build_model(
    name: str,
    *,
    classes: int,
    channels: int,
    image_size: int,
    seed: int,
    weights: Path | Literal["download"] | None = None,
) -> Classifier:
    """Build a classifier, on the CPU and in training mode.

    Args:
        name: A name of `pipeline.catalog.MODELS`, or 'package.module:factory' for your own (see `Custom`).
        classes: Number of classes K, 2 or more.
        channels: 1 (gray) or 3 (color).
        image_size: Side of the square images, in pixels.
        seed: Of the first weights; the global random state stays as it is.
        weights: Pretrained weights: a local `.safetensors` file (for torchvision's networks with or without their last
            layer), or 'download' for torchvision's own.

    Returns:
        A model from float images (B, C, S, S) in [0, 1] to logits (B, K), with `features` and `head`.

    Raises:
        ModelError: The name is unknown, the size does not suit the model, or the weights do not fit.
    """
    architecture = Architecture(name=name, classes=classes, channels=channels, image_size=image_size)
    with private_randomness():
        torch.manual_seed(derive_seed(seed, "weights"))
        return _build(architecture, weights)


def _build(architecture: Architecture, weights: Weights) -> Classifier:
    name = architecture.name
    if name in BACKBONES:
        return Backbone(architecture, weights)
    if name in _OURS:
        model = _OURS[name](architecture)
    elif ":" in name:
        model = Custom(architecture)
    else:
        close = get_close_matches(name, MODELS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"choose one of: {', '.join(MODELS)}"
        raise ModelError(f"expected a known model, got {name!r}; {hint} (or 'package.module:factory' for your own)")
    _load_own(model, weights)
    return model


def _load_own(model: Classifier, weights: Weights) -> None:
    if weights is None:
        return
    name = model.architecture.name
    if weights == "download":
        raise ModelError(f"expected weights from a file for {name}, got 'download'; nobody publishes weights for it")
    put_state(model, read_weights(weights), name)


def put_state(model: nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    """Load all weights of a model.

    Raises:
        ModelError: A tensor is missing, unknown, or of another shape.
    """
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(f"expected weights of {name}, got others: {error}") from error
