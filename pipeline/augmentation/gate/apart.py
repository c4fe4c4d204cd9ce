"""Labels set aside for the gate, where a project has no validation split; and whether sets are apart at all."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import DataError
from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.training.labeled import LabeledImages

SHARE = 0.25
"""Of each class's labels, in the gate's own split."""


def set_aside(labeled: LabeledImages, *, seed: int, share: float = SHARE) -> tuple[LabeledImages, LabeledImages]:
    """Split labels into those to learn from and those that only the gate measures on, evenly over the classes.

    A generator that saw the images it is judged on looks better than it is: split first, and train it on the first
    part. The split goes by sample id alone, so that another label does not move the others of its class far.

    Args:
        labeled: Real labeled images.
        seed: Any integer; `judge` without held-out images takes its own seed here.
        share: Of each class, in (0, 1), rounded; at least one image of a class stays to learn from.

    Returns:
        Images to learn from, and images set aside.
    """
    if not 0 < share < 1:
        raise DataError(f"expected a share in (0, 1), got {share}; a quarter is usual")
    drawn = per_sample_uniform(derive_seed(seed, "gate"), labeled.ids.cpu().numpy(), "set aside")
    aside = torch.zeros(len(labeled), dtype=torch.bool)
    for target in sorted(set(labeled.targets.tolist())):
        places = np.flatnonzero(labeled.targets.cpu().numpy() == target)
        count = min(round(share * len(places)), len(places) - 1)
        aside[torch.from_numpy(places[np.argsort(drawn[places], kind="stable")[:count]])] = True
    return labeled.take(~aside), labeled.take(aside)


def of_class(images: LabeledImages, target: int) -> Tensor:
    """Return the images (M, C, S, S) of one class."""
    return images.images[images.targets == target]


def check_real(labeled: LabeledImages, held_out: LabeledImages, classes: int) -> None:
    """Make sure that real images are real, of one kind, and apart from each other.

    Raises:
        DataError: They are not, or a class is out of range.
    """
    for name, images in (("labeled", labeled), ("held-out", held_out)):
        if bool((images.ids < 0).any()):
            raise DataError(f"expected real {name} images, got synthetic ones (ids below 0); judge by real ones alone")
        if len(images) and not 0 <= int(images.targets.min()) <= int(images.targets.max()) < classes:
            raise DataError(f"expected {name} classes from 0 to {classes}, exclusive, got others; give positions")
    if _kind(labeled.images) != _kind(held_out.images):
        raise DataError(
            f"expected held-out images like the labeled ones, {_kind(labeled.images)}, got {_kind(held_out.images)}"
        )
    if not set(labeled.ids.tolist()).isdisjoint(held_out.ids.tolist()):
        raise DataError("expected held-out images apart from the labeled ones, got some in both; hold others out")


def check_made(target: int, made: Tensor, labeled: LabeledImages, classes: int) -> None:
    """Make sure that synthetic images can stand beside real ones.

    Raises:
        DataError: Their shape or type differs, or the class is out of range.
    """
    if not 0 <= target < classes:
        raise DataError(f"expected a class from 0 to {classes}, exclusive, got {target}; give its position")
    if _kind(made) != _kind(labeled.images):
        raise DataError(
            f"expected synthetic images like the labeled ones, {_kind(labeled.images)}, got {_kind(made)}; make them "
            "of that size and type"
        )


def _kind(images: Tensor) -> str:
    return f"{images.dtype} {tuple(images.shape[1:])}"
