"""A user's own network, by import path 'package.module:factory', made to look like every other classifier here."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import ModelError
from pipeline.models.base import Architecture, Classifier
from pipeline.models.state import borrowed


class Custom(Classifier):
    """Wraps what a factory returns.

    The factory is called with `classes`, `channels` and `image_size`, and returns an `nn.Module` from images in [0, 1],
    (B, C, S, S), to logits (B, K), with its normalization inside. If it has `features` and `head` they are used;
    otherwise its last `nn.Linear` is the head, and what that reads are the features, which a first pass checks.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.body = _make(architecture)
        self.in_two_parts = hasattr(self.body, "features") and hasattr(self.body, "head")
        self._probe()

    def features(self, images: Tensor) -> Tensor:
        """Return the embeddings (B, D)."""
        if self.in_two_parts:
            return torch.as_tensor(_part(self.body, "features")(images))
        read: list[Tensor] = []
        with self._last_linear().register_forward_pre_hook(lambda _, inputs: read.append(inputs[0])):
            self.body(images)
        return read[-1]

    def head(self, features: Tensor) -> Tensor:
        """Return the logits (B, K)."""
        part = _part(self.body, "head") if self.in_two_parts else self._last_linear()
        return torch.as_tensor(part(features))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, K)."""
        return torch.as_tensor(self.body(images))

    def _last_linear(self) -> nn.Module:
        layers = [module for module in self.body.modules() if isinstance(module, nn.Linear)]
        if not layers:
            raise ModelError(
                f"expected features() and head(), or an nn.Linear, in {self.architecture.name}, got neither; add them"
            )
        return layers[-1]

    @torch.no_grad()
    def _probe(self) -> None:
        shape, name = self.architecture, self.architecture.name
        images = torch.linspace(0, 1, 2 * shape.channels * shape.image_size**2)
        images = images.view(2, shape.channels, shape.image_size, shape.image_size)
        with borrowed(self):
            try:
                logits = self(images)
                features = self.features(images)
                split = self.head(features)
            except (RuntimeError, TypeError, IndexError) as error:
                raise ModelError(f"expected {name} to take images {tuple(images.shape)}, got: {error}") from error
        if tuple(logits.shape) != (2, shape.classes):
            raise ModelError(f"expected logits (2, {shape.classes}) from {name}, got {tuple(logits.shape)}")
        if features.ndim != 2 or len(features) != 2:
            raise ModelError(f"expected features (2, D) from {name}, got {tuple(features.shape)}; flatten or pool them")
        if tuple(split.shape) != tuple(logits.shape) or not torch.allclose(split, logits, atol=1e-4):
            raise ModelError(
                f"expected the last nn.Linear of {name} to give the logits, got others; give it features() and head()"
            )


def _part(body: nn.Module, name: str) -> Callable[[Tensor], Tensor]:
    part: Callable[[Tensor], Tensor] = getattr(body, name)
    return part


def import_by_path(path: str, error: type[Exception]) -> Any:
    """Return the object at 'package.module:name'.

    Raises:
        error: The module or the name is not there, or the path has another form.
    """
    module, colon, name = path.partition(":")
    if not (colon and module and name):
        raise error(f"expected an import path 'package.module:name', got {path!r}")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as reason:
        raise error(f"expected something to import at {path!r}, got: {reason}; is it installed here?") from reason


def _make(architecture: Architecture) -> nn.Module:
    factory: Callable[..., Any] = import_by_path(architecture.name, ModelError)
    try:
        network = factory(
            classes=architecture.classes, channels=architecture.channels, image_size=architecture.image_size
        )
    except TypeError as error:
        raise ModelError(
            f"expected a factory {architecture.name}(classes=, channels=, image_size=), got: {error}"
        ) from error
    if not isinstance(network, nn.Module):
        raise ModelError(f"expected an nn.Module from {architecture.name}, got {type(network).__name__}")
    return network
