"""How the gate trains its classifiers: on real images alone to look at images, and in pairs to decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from pipeline.data.transforms import to_float
from pipeline.models.base import Classifier
from pipeline.models.registry import build_model
from pipeline.models.state import borrowed, device_and_type
from pipeline.training.inference import inference_batch
from pipeline.training.labeled import LabeledImages
from pipeline.training.recipes import SupervisedRecipe
from pipeline.training.supervised import train

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class TrainPlan:
    """The trainings that the gate may spend: two on real images, and two for each seed of the paired test.

    Attributes:
        model: A name of `pipeline.catalog.MODELS` or a factory's import path; the project's own, best.
        recipe: How to train, the project's own: a gain over a weaker baseline proves nothing.
        seeds: Pairs of trainings with and without the synthetic images, 3 or more.
        weights: Pretrained weights to start from, as `build_model` takes them.
    """

    model: str = "convnet"
    recipe: SupervisedRecipe = field(default_factory=SupervisedRecipe)
    seeds: int = 3
    weights: Path | Literal["download"] | None = None

    def trainings(self) -> int:
        """Return how many classifiers are trained when no check refuses.

        >>> TrainPlan(seeds=3).trainings()
        8
        """
        return 2 + 2 * self.seeds

    def fit(
        self,
        labeled: LabeledImages,
        synthetic: LabeledImages | None = None,
        *,
        classes: int,
        seed: int,
        device: torch.device,
    ) -> Classifier:
        """Return a classifier trained on labeled images, with synthetic ones beside them or without.

        Raises:
            TrainingError: What `train` raises.
        """
        _, channels, side, _ = labeled.images.shape
        model = build_model(
            self.model, classes=classes, channels=channels, image_size=side, seed=seed, weights=self.weights
        )
        train(model, labeled, self.recipe, seed=seed, device=device, synthetic=synthetic)
        return model


def features_of(model: Classifier, images: Tensor) -> Tensor:
    """Return features, float64 (N, D) on the CPU, of uint8 or float images (N, C, S, S); the model stays as it was."""
    return torch.cat(_streamed(model, model.features, images)).double()


def predictions_of(model: Classifier, images: Tensor) -> Tensor:
    """Return predicted classes, int64 (N,) on the CPU, of uint8 or float images (N, C, S, S)."""
    return torch.cat(_streamed(model, model, images)).argmax(dim=1)


def _streamed(model: Classifier, look: Callable[[Tensor], Tensor], images: Tensor) -> list[Tensor]:
    device, dtype = device_and_type(model)
    size = inference_batch(tuple(images.shape[1:]), device)
    with borrowed(model), torch.inference_mode():
        parts = (images[start : start + size].to(device) for start in range(0, len(images), size))
        return [look(to_float(some, dtype)).float().cpu() for some in parts]
