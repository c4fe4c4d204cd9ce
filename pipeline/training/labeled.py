"""What training is given and what it gives back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.errors import TrainingError


@dataclass(frozen=True)
class LabeledImages:
    """Images with their classes.

    Attributes:
        images: uint8 (N, C, S, S), or float (N, C, S, S) with pixels in [0, 1] (adversarial copies may lie outside).
        targets: int64 (N,), class positions in [0, K).
        ids: int64 (N,), sample ids; a copy has the id of its original, a synthetic image a negative one.
        weights: float (N,), what each image counts in the loss beside the others, above 0; None counts 1 each.
    """

    images: Tensor
    targets: Tensor
    ids: Tensor
    weights: Tensor | None = None

    def __post_init__(self) -> None:
        if self.images.ndim != 4:
            raise TrainingError(f"expected images (N, C, S, S), got {tuple(self.images.shape)}; add the channel axis")
        for name in ("targets", "ids"):
            values: Tensor = getattr(self, name)
            if values.dtype != torch.int64 or tuple(values.shape) != (len(self.images),):
                raise TrainingError(
                    f"expected {name} as int64 ({len(self.images)},), got {values.dtype} {tuple(values.shape)}; "
                    "give one for each image"
                )
        if self.weights is not None:
            _check_weights(self.weights, len(self.images))

    def __len__(self) -> int:
        return len(self.images)

    def take(self, which: Tensor) -> LabeledImages:
        """Return some of the images, by positions int64 (M,) or by a mask bool (N,)."""
        weights = None if self.weights is None else self.weights[which]
        return LabeledImages(self.images[which], self.targets[which], self.ids[which], weights)

    def fingerprint(self) -> str:
        """Return a hash of the samples' ids, classes and weights; it tells whether a checkpoint still fits."""
        digest = hashlib.sha256(self.ids.cpu().numpy().tobytes())
        digest.update(self.targets.cpu().numpy().tobytes())
        digest.update(f"{self.images.dtype} {tuple(self.images.shape)}".encode())
        if self.weights is not None:
            digest.update(self.weights.cpu().double().numpy().tobytes())
        return digest.hexdigest()[:16]


def _check_weights(weights: Tensor, count: int) -> None:
    if not weights.is_floating_point() or tuple(weights.shape) != (count,):
        raise TrainingError(
            f"expected weights as float ({count},), got {weights.dtype} {tuple(weights.shape)}; give one for each image"
        )
    if count and not bool((torch.isfinite(weights) & (weights > 0)).all()):
        raise TrainingError("expected finite weights above 0, got others; leave out images that should not count")


@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """What a training came to.

    Attributes:
        epochs: Passes over the labeled images; a fraction, since the budget is in steps.
        steps: Optimizer steps.
        seconds: Wall time, over all resumptions.
        train_loss: Mean cross-entropy of the last window of steps, with augmentation and dropout on.
        validation_accuracy: Of the weights kept, in [0, 1]; None without validation images.
        device: Where it ran, such as 'cpu' or 'cuda:0'.
    """

    epochs: float
    steps: int
    seconds: float
    train_loss: float
    validation_accuracy: float | None
    device: str
