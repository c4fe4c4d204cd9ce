"""Synthetic images among the labeled ones: drawn from one stream with them, each with its own weight in the loss."""

from __future__ import annotations

import torch

from pipeline.data.transforms import to_float
from pipeline.errors import TrainingError
from pipeline.training.labeled import LabeledImages


def check_synthetic(synthetic: LabeledImages, labeled: LabeledImages, validation: LabeledImages | None) -> None:
    """Make sure that no synthetic image can be taken for a real one, and that none is validated on.

    Raises:
        TrainingError: An id is not negative, is that of a labeled or validation image, or stands there twice; or the
            images have another shape.
    """
    made = synthetic.ids.tolist()
    if max(made) >= 0:
        raise TrainingError(
            f"expected negative ids of synthetic images, got {max(made)}; those from 0 on belong to samples"
        )
    if len(set(made)) != len(made):
        raise TrainingError("expected each synthetic image once, got an id twice; give each its own")
    for name, real in (("labeled", labeled), ("validation", validation)):
        if real is not None and not set(made).isdisjoint(real.ids.tolist()):
            raise TrainingError(f"expected no synthetic image among the {name} ones, got one; keep them apart")
    if synthetic.images.shape[1:] != labeled.images.shape[1:]:
        raise TrainingError(
            f"expected synthetic images of shape {tuple(labeled.images.shape[1:])}, got "
            f"{tuple(synthetic.images.shape[1:])}; make them for this project's image size and channels"
        )


def united(labeled: LabeledImages, synthetic: LabeledImages | None) -> LabeledImages:
    """Return labeled images and, after them, synthetic ones; the labeled ones as they are where there are no others."""
    if not synthetic:
        return labeled
    both = [labeled, synthetic]
    plain = all(images.images.dtype == torch.uint8 for images in both)
    return LabeledImages(
        images=torch.cat([images.images if plain else to_float(images.images) for images in both]),
        targets=torch.cat([images.targets for images in both]),
        ids=torch.cat([images.ids for images in both]),
        weights=torch.cat([weights_of(images) for images in both])
        if any(i.weights is not None for i in both)
        else None,
    )


def weights_of(images: LabeledImages) -> torch.Tensor:
    """Return what each image counts, float64 (N,)."""
    if images.weights is None:
        return torch.ones(len(images), dtype=torch.float64)
    return images.weights.double().cpu()
