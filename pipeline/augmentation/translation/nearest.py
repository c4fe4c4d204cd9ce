"""From which common class to translate: the nearest one, so that least has to be changed."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.data.transforms import to_float
from pipeline.errors import TrainingError
from pipeline.models.base import Classifier
from pipeline.models.state import borrowed, device_and_type
from pipeline.training.inference import inference_batch
from pipeline.training.labeled import LabeledImages

ENOUGH = 100  # labels that make a class common


def nearest_common_class(model: Classifier, labeled: LabeledImages, rare: int, *, enough: int = ENOUGH) -> int:
    """Return the position of the common class whose mean is nearest to the rare one's, in a classifier's features.

    Args:
        model: Trained on real images alone; used where it lies, and left as found.
        labeled: The training labels; images of other classes than these two do not matter.
        rare: Class position.
        enough: Labels that make a class common; it must also have more than the rare one.

    Raises:
        TrainingError: There is no image of the rare class, or no common class.
    """
    return nearest_class(features_of(model, labeled.images), labeled.targets, rare, enough=enough)


def nearest_class(features: Tensor, targets: Tensor, rare: int, *, enough: int = ENOUGH) -> int:
    """Return the class with the nearest mean among those with `enough` images; the lower one of two as near.

    Args:
        features: float (N, D).
        targets: int64 (N,), class positions.
        rare: Class position.
        enough: Labels that make a class common; it must also have more than the rare one.

    Raises:
        TrainingError: There is no image of the rare class, or no common class.

    >>> features = torch.tensor([[0.0], [1.0], [1.0], [-9.0], [-9.0]])
    >>> nearest_class(features, torch.tensor([0, 1, 1, 2, 2]), 0, enough=2)
    1
    """
    counts = torch.bincount(targets.cpu(), minlength=rare + 1)  # (K,)
    if rare < 0 or int(counts[rare]) == 0:
        raise TrainingError(f"expected labeled images of class {rare}, got none; label some first")
    least = max(enough, int(counts[rare]) + 1)
    common = [place for place, count in enumerate(counts.tolist()) if place != rare and count >= least]
    if not common:
        raise TrainingError(
            f"expected a class with {least} labels or more to translate from, got none; label more of the others"
        )
    means = {place: features[targets == place].double().mean(dim=0) for place in (rare, *common)}  # (D,) each
    return min(common, key=lambda place: (float((means[place] - means[rare]).norm()), place))


def features_of(model: Classifier, images: Tensor) -> Tensor:
    """Return the features float32 (N, D), on the CPU, of uint8 or float images (N, C, S, S)."""
    device, dtype = device_and_type(model)
    size = inference_batch(tuple(images.shape[1:]), device)
    with borrowed(model), torch.inference_mode():
        parts = [model.features(to_float(batch.to(device), dtype)).float().cpu() for batch in torch.split(images, size)]
    return torch.cat(parts)
