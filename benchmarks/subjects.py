"""What the ranking benchmarks rank: networks trained on a few digits of MNIST, and pools of any size on disk.

Networks learn from MNIST's test files, so that a pool is all of the training files and holds no labeled image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pipeline.data.pool import ImagePool
from pipeline.data.sources import open_source
from pipeline.models.registry import build_model
from pipeline.strategies.base import QueryContext
from pipeline.training.labeled import LabeledImages
from pipeline.training.recipes import recipe_by_name
from pipeline.training.supervised import train

CLASSES = 10
_SHARD = 100_000
_MOST_SHIFT = 2  # pixels
_NOISE = 8.0  # standard deviation, of 255


@dataclass(frozen=True)
class Digits:
    """Images of MNIST: uint8 (N, 1, 28, 28), and their classes, int64 (N,)."""

    images: NDArray[np.uint8]
    targets: NDArray[np.int64]


@dataclass(frozen=True)
class Subject:
    """A trained network, and the images that it learned from."""

    name: str
    labels: int
    seed: int
    model: nn.Module
    labeled: LabeledImages

    def context(self, pool: ImagePool) -> QueryContext:
        """Return what a strategy is given to rank a pool."""
        ids, targets = self.labeled.ids.numpy(), self.labeled.targets.numpy()
        return QueryContext(
            pool=pool, model=self.model, classes=CLASSES, seed=self.seed, labeled_ids=ids, labeled_targets=targets,
            labeled_images=ImagePool.from_tensor(self.labeled.images, ids), device=device(),
        )  # fmt: skip


def device() -> torch.device:
    """Return the GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def read_digits(folder: Path) -> tuple[Digits, Digits]:
    """Return MNIST's training and test files."""
    parts: dict[str | None, list[tuple[NDArray[np.uint8], int]]] = {"pool": [], "test": []}
    for item in open_source(folder):
        parts[item.split].append((np.asarray(item.load(), np.uint8).reshape(1, 28, 28), int(item.known_class or 0)))
    first, second = ([*zip(*parts[split], strict=True)] for split in ("pool", "test"))
    return Digits(np.stack(first[0]), np.array(first[1])), Digits(np.stack(second[0]), np.array(second[1]))


def trained(name: str, digits: Digits, labels: int, seed: int, *, quick: bool) -> Subject:
    """Train a network on random labels, on the GPU if there is one."""
    chosen = np.random.default_rng(seed).permutation(len(digits.images))[:labels]
    labeled = LabeledImages(
        images=torch.from_numpy(digits.images[chosen]),
        targets=torch.from_numpy(digits.targets[chosen]),
        ids=torch.from_numpy(10**9 + chosen),  # ids that no pool here has
    )
    model = build_model(name, classes=CLASSES, channels=1, image_size=28, seed=seed)
    train(model, labeled, recipe_by_name("quick" if quick else "supervised"), seed=seed, device=device())
    return Subject(name, labels, seed, model, labeled)


def write_pool(folder: Path, digits: Digits, count: int, seed: int = 0) -> ImagePool:
    """Write a pool as shards to be memory-mapped: the first digits as they are, or more, by shifting and noising."""
    paths = []
    for shard, start in enumerate(range(0, count, _SHARD)):
        size = min(_SHARD, count - start)
        plain = count <= len(digits.images)
        images = digits.images[:size] if plain else varied(digits.images, size, np.random.default_rng([seed, shard]))
        paths.append(folder / f"{count}-{shard}.npy")
        np.save(paths[-1], images)
    ids = np.arange(count)
    return ImagePool(ids, ids // _SHARD, ids % _SHARD, paths)


def varied(images: NDArray[np.uint8], count: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return images uint8 (count, 1, S, S), drawn from `images`, shifted by up to 2 pixels, with Gaussian noise."""
    drawn = images[random.integers(len(images), size=count)]
    shifts = random.integers(-_MOST_SHIFT, _MOST_SHIFT + 1, size=(count, 2))
    for shift in np.unique(shifts, axis=0):
        some = np.flatnonzero((shifts == shift).all(axis=1))
        drawn[some] = np.roll(drawn[some], tuple(shift), axis=(2, 3))
    for start in range(0, count, 10_000):
        part = drawn[start : start + 10_000]
        noise = random.standard_normal(part.shape, dtype=np.float32)
        part[:] = np.clip(part + np.float32(_NOISE) * noise, 0, 255).astype(np.uint8)
    return drawn
