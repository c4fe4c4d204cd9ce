"""Uneven data for `benchmarks.rare_classes`: which classes are rare, what has a label, what is held out, what measures.

All of it follows from the seed. A rare class is rare in the pool, too: a tenth of the images that a common one has.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.data.decode import ImageSpec, decode_image, fit_image
from pipeline.data.sources import open_source, with_test_split
from pipeline.randomness import derive_seed, per_sample_uniform
from pipeline.training.labeled import LabeledImages

Ids = NDArray[np.int64]

RARE_CLASSES = 3
TIMES = 10  # labels, and pool images, of a common class for each of a rare one
HELD_OUT = 25  # validation labels a class, where the data set has no validation split of its own
REACH = 150  # images that a class needs beside those held out to be drawn as a rare one, the same for all label counts
TEST_SHARE, SPLIT_SEED = 0.2, 0  # of data sets without a test split: the same images for all seeds
SPECS = {
    "mnist": ImageSpec(image_size=28, channels=1),
    "quickdraw": ImageSpec(image_size=28, channels=1),
    "clothing-small": ImageSpec(image_size=64, channels=3),
}


@dataclass(frozen=True, kw_only=True)
class Images:
    """A data set in memory; ids are places in its source.

    Attributes:
        name: Of the data set.
        classes: Names of the K classes.
        pool: To draw labels and the unlabeled pool from.
        validation: The data set's own validation split; None where it has none.
        test: Measures all models, and is used for nothing else.
    """

    name: str
    classes: tuple[str, ...]
    pool: LabeledImages
    validation: LabeledImages | None
    test: LabeledImages


@dataclass(frozen=True, kw_only=True)
class World:
    """One uneven world, by a seed and a number of labels.

    Attributes:
        rare: Positions of the rare classes.
        labeled: What all arms train on.
        held_out: Validation labels: the gate measures on them, and no arm trains on them unless its name says so.
        unlabeled: uint8 (P, C, S, S), the rest of the pool.
        imbalance: Mean labels of a common class for each label of a rare one, as far as the data reach.
    """

    rare: tuple[int, ...]
    labeled: LabeledImages
    held_out: LabeledImages
    unlabeled: torch.Tensor
    imbalance: float


def read_images(name: str, folder: Path, spec: ImageSpec | None = None) -> Images:
    """Read a whole data set with its own test split, or with a fifth of each class drawn as such.

    Args:
        name: Of the data set; with a known one, or 'digits', nothing else is needed.
        folder: Holds a folder of that name.
        spec: Size and channels; None takes the usual ones.
    """
    source = with_test_split(open_source(name if name == "digits" else folder / name), TEST_SHARE, SPLIT_SEED)
    spec = spec or SPECS.get(name) or ImageSpec(image_size=28, channels=1)
    position = {label: place for place, label in enumerate(source.classes)}
    parts: dict[str, list[tuple[int, int, NDArray[np.uint8]]]] = {"pool": [], "validation": [], "test": []}
    for place, item in enumerate(source):
        if item.known_class is not None:
            parts[item.split or "pool"].append((place, position[item.known_class], _pixels(item.load(), spec)))
    sets = {split: _together(found) for split, found in parts.items() if found}
    return Images(
        name=name,
        classes=source.classes,
        pool=sets["pool"],
        validation=sets.get("validation"),
        test=sets["test"],
    )


def _pixels(loaded: bytes | NDArray[Any], spec: ImageSpec) -> NDArray[np.uint8]:
    """Return an image as the model gets it; rows of arrays are eight bits already, and need no display file."""
    return fit_image(loaded, spec) if isinstance(loaded, np.ndarray) else decode_image(loaded, spec).pixels


def _together(found: list[tuple[int, int, NDArray[np.uint8]]]) -> LabeledImages:
    ids, targets, pixels = zip(*found, strict=True)
    return LabeledImages(torch.from_numpy(np.stack(pixels)), torch.tensor(targets), torch.tensor(ids))


def make_world(images: Images, rare_labels: int, seed: int, *, held_out: int = HELD_OUT, reach: int = REACH) -> World:
    """Make a data set uneven; the same seed gives the same rare classes, and larger label sets hold the smaller ones.

    Args:
        images: The data set.
        rare_labels: Labels of each rare class; common ones have ten times as many, or all that they have.
        seed: Draws which classes are rare, which images have a label and which are held out.
        held_out: Validation labels a class, where the data set has no validation split.
        reach: Images that a class must have to be drawn as a rare one.
    """
    targets, ids = images.pool.targets.numpy(), images.pool.ids.numpy()
    drawn = per_sample_uniform(derive_seed(seed, "rare classes"), ids, "images")
    order = np.lexsort((ids, drawn))
    by_class = [order[targets[order] == place] for place in range(len(images.classes))]
    aside = 0 if images.validation is not None else held_out
    kept = [places[aside:] for places in by_class]
    rare = _rare(kept, seed, reach)
    labeled, rest = [], []
    for place, places in enumerate(kept):
        wanted = rare_labels if place in rare else TIMES * rare_labels
        there = places[: max(wanted, round(len(places) / TIMES))] if place in rare else places
        labeled.append(there[:wanted])
        rest.append(there[wanted:])
    known = [len(places) for places in labeled]
    common = [count for place, count in enumerate(known) if place not in rare]
    return World(
        rare=rare,
        labeled=_some(images.pool, labeled),
        held_out=images.validation or _some(images.pool, [places[:aside] for places in by_class]),
        unlabeled=_some(images.pool, rest).images,
        imbalance=float(np.mean(common)) / float(np.mean([known[place] for place in rare])),
    )


def _rare(by_class: list[NDArray[np.intp]], seed: int, reach: int) -> tuple[int, ...]:
    """Draw the rare classes among those that have enough images for every label count."""
    able = np.array([place for place, places in enumerate(by_class) if len(places) >= reach])
    if len(able) < RARE_CLASSES:
        raise ValueError(f"expected {RARE_CLASSES} classes of {reach} images or more, got {len(able)}; lower the reach")
    chance = per_sample_uniform(derive_seed(seed, "rare classes"), able, "classes")
    return tuple(sorted(int(place) for place in able[np.argsort(chance, kind="stable")[:RARE_CLASSES]]))


def _some(images: LabeledImages, places: list[NDArray[np.intp]]) -> LabeledImages:
    return images.take(torch.from_numpy(np.sort(np.concatenate(places))))
