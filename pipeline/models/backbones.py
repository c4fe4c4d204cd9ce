"""torchvision's classifiers, from scratch or from pretrained weights, at any image size, gray or color."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models as zoo
from torchvision.models.vision_transformer import interpolate_embeddings

from pipeline.errors import ModelError
from pipeline.models.base import Architecture, Classifier, Normalize

BACKBONES = ("resnet18", "mobilenet_v3_small", "efficientnet_b0", "convnext_tiny", "vit_b_16")

Weights = Path | Literal["download"] | None

_LEAST = 32  # these networks halve five times
_PATCH = 16
_LAST = {
    "resnet18": "fc", "mobilenet_v3_small": "classifier.3", "efficientnet_b0": "classifier.1",
    "convnext_tiny": "classifier.2", "vit_b_16": "heads.head",
}  # fmt: skip
_DROPOUT = {"mobilenet_v3_small": "classifier.2", "efficientnet_b0": "classifier.0"}


class Backbone(Classifier):
    """A torchvision classifier whose last linear layer is ours.

    One channel is repeated to three; ImageNet's normalization is inside. Images under 32 pixels are enlarged to 32, and
    for `vit_b_16` to the next multiple of its 16-pixel patches. Features are what the last linear layer reads.
    """

    def __init__(self, architecture: Architecture, weights: Weights = None) -> None:
        super().__init__(architecture)
        if architecture.channels not in (1, 3):
            raise ModelError(f"expected 1 or 3 channels for {architecture.name}, got {architecture.channels}")
        self.normalize = Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        self.side = _side(architecture)
        self.body = _network(architecture.name, self.side, weights)
        last = self.body.get_submodule(_LAST[architecture.name])
        if not isinstance(last, nn.Linear):
            raise ModelError(f"expected a linear layer at the end of {architecture.name}, got {type(last).__name__}")
        dropout = nn.Dropout(0.2) if architecture.name in _DROPOUT else nn.Identity()
        self.classifier = nn.Sequential(dropout, nn.Linear(last.in_features, architecture.classes))
        for path in (_LAST[architecture.name], _DROPOUT.get(architecture.name)):
            if path is not None:
                self.body.set_submodule(path, nn.Identity())

    def features(self, images: Tensor) -> Tensor:
        """Return the penultimate embeddings (B, D)."""
        color = images.expand(-1, 3, -1, -1)  # (B, 3, S, S)
        if color.shape[-1] != self.side:
            color = functional.interpolate(color, size=(self.side, self.side), mode="bilinear", align_corners=False)
        return torch.as_tensor(self.body(self.normalize(color)))

    def head(self, features: Tensor) -> Tensor:
        """Return the logits (B, K)."""
        return torch.as_tensor(self.classifier(features))


def _side(architecture: Architecture) -> int:
    side = max(architecture.image_size, _LEAST)
    return -(-side // _PATCH) * _PATCH if architecture.name == "vit_b_16" else side


def _network(name: str, side: int, weights: Weights) -> nn.Module:
    options: dict[str, Any] = {"image_size": side} if name == "vit_b_16" else {}
    network: nn.Module = zoo.get_model(name, weights=None, **options)
    if weights is None:
        return network
    state = _pretrained(name, weights)
    if name == "vit_b_16":
        state = interpolate_embeddings(side, _PATCH, state)
    _put(network, state, name)
    return network


def _put(network: nn.Module, state: dict[str, Tensor], name: str) -> None:
    """Load a torchvision state; its last layer may be missing or of another size, for ours takes its place."""
    last = _LAST[name]
    state = {key: value for key, value in state.items() if not key.startswith(f"{last}.")}
    try:
        found = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ModelError(f"expected weights of torchvision's {name}, got other shapes: {error}") from error
    missing = [key for key in found.missing_keys if not key.startswith(f"{last}.")]
    if missing or found.unexpected_keys:
        raise ModelError(
            f"expected weights of torchvision's {name}, got a file with {len(missing)} missing and "
            f"{len(found.unexpected_keys)} unknown tensors (such as {(missing + found.unexpected_keys)[0]})"
        )


def _pretrained(name: str, weights: Path | Literal["download"]) -> dict[str, Tensor]:
    """Read weights from a safetensors file, or have torchvision fetch its own.

    We never unpickle. torchvision publishes `.pth` files, and its own downloader reads them: it is asked to check the
    hash in the file's name and to accept plain tensors only (`weights_only=True`), which runs no code from the file.
    """
    if weights == "download":
        best = zoo.get_model_weights(name).DEFAULT
        return dict(best.get_state_dict(progress=False, check_hash=True, weights_only=True))
    return read_weights(weights)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a local safetensors file.

    Raises:
        ModelError: The file is missing, damaged, or of another kind.
    """
    if path.suffix != ".safetensors":
        raise ModelError(
            f"expected pretrained weights as a .safetensors file, got {path.name}; "
            "convert it once with safetensors.torch.save_file, in a process that may run its code"
        )
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"expected a readable safetensors file at {path}, got: {error}") from error
