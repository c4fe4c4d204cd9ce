"""Images whose classes are all known: the pool that a simulation asks from, and the test set that measures it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pipeline.data.pool import ImagePool
from pipeline.errors import DataError
from pipeline.experiment.records import Settings
from pipeline.randomness import derive_seed, per_sample_uniform

Ids = NDArray[np.int64]

IMBALANCE_SEED = 0  # which class is rare is part of the task, the same for all seeds of a comparison
_LOOKED_AT = 64  # images in a fingerprint


@dataclass(frozen=True, kw_only=True, eq=False)
class ExperimentData:
    """A pool to ask from and a test set, with the classes of both.

    Attributes:
        pool: The images that can be asked.
        targets: int64 (N,), their class positions, in the order of `pool.ids`.
        test: The images that measure every model.
        test_targets: int64 (M,), in the order of `test.ids`.
        classes: Names of the K classes.

    Raises:
        DataError: Images and classes do not fit together.
    """

    pool: ImagePool
    targets: Ids
    test: ImagePool
    test_targets: Ids
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise DataError(f"expected 2 classes or more, got {list(self.classes)}; name them all")
        for name, pool, targets in (("pool", self.pool, self.targets), ("test", self.test, self.test_targets)):
            _check_part(name, pool, targets, len(self.classes))
        if self.pool.image_shape != self.test.image_shape:
            raise DataError(
                f"expected test images of the pool's shape {self.pool.image_shape}, got {self.test.image_shape}; "
                "give both one size"
            )

    @classmethod
    def from_tensors(
        cls,
        images: Tensor,
        targets: ArrayLike,
        test_images: Tensor,
        test_targets: ArrayLike,
        *,
        classes: Sequence[str] | None = None,
    ) -> ExperimentData:
        """Make it of images in memory; ids are the rows.

        Args:
            images: The pool, uint8 (N, C, S, S).
            targets: Class positions (N,), from 0.
            test_images: uint8 (M, C, S, S).
            test_targets: Class positions (M,).
            classes: Names of the K classes; None names them by their numbers.

        Raises:
            DataError: Images and classes do not fit together.
        """
        known, known_test = _as_targets(targets), _as_targets(test_targets)
        count = int(max(known.max(initial=-1), known_test.max(initial=-1))) + 1
        return cls(
            pool=ImagePool.from_tensor(images),
            targets=known,
            test=ImagePool.from_tensor(test_images),
            test_targets=known_test,
            classes=tuple(str(number) for number in range(count)) if classes is None else tuple(classes),
        )

    @classmethod
    def from_dataset(
        cls,
        pool: Any,
        test: Any,
        *,
        image_size: int | None = None,
        channels: int | None = None,
        classes: Sequence[str] | None = None,
    ) -> ExperimentData:
        """Make it of two torch data sets that give (image, class).

        Args:
            pool: Has a length and gives (image, class) by position; images are Pillow's, or tensors (C, H, W) or
                (H, W), uint8 or floats in [0, 1].
            test: The same.
            image_size: Side in pixels; None takes that of the first image, at most 64.
            channels: 1 or 3; None takes that of the first image.
            classes: Names; None takes the data set's `classes` where it has them, else numbers.

        Raises:
            DataError: An image or a class cannot be used; the text says which.
        """
        from pipeline.experiment.datasets import read_dataset, spec_of

        spec = spec_of(pool, image_size, channels)
        named = classes if classes is not None else getattr(pool, "classes", None)
        return cls.from_tensors(*read_dataset(pool, spec), *read_dataset(test, spec), classes=named)

    @cached_property
    def _order(self) -> NDArray[np.intp]:
        return np.argsort(self.pool.ids, kind="stable")

    def targets_of(self, ids: Ids) -> Ids:
        """Return the class positions (B,) of some images of the pool, in the order of `ids`."""
        places = np.searchsorted(self.pool.ids, ids, sorter=self._order)
        return self.targets[self._order[places]]

    def for_settings(self, settings: Settings) -> ExperimentData:
        """Return what a comparison runs on: these images, or some of them where it wants rare classes."""
        if settings.imbalance is None:
            return self
        return self.imbalanced(settings.imbalance, IMBALANCE_SEED)

    def imbalanced(self, ratio: float, seed: int) -> ExperimentData:
        """Thin the pool exponentially over the classes; the test set stays as it is.

        As many images stay as can: the class of the k-th place (from 0) keeps n * ratio ** (-k / (K - 1)) images,
        with the largest n that all classes can meet.

        Args:
            ratio: How many times rarer the rarest class is than the most frequent, 1 or more.
            seed: Draws which class is how rare, and which images stay.

        Raises:
            DataError: The ratio is below 1, or the rarest class would have no image left.
        """
        if not 1 <= ratio < float("inf"):
            raise DataError(
                f"expected an imbalance of 1 or more, got {ratio}; 50 makes the rarest class 50 times rarer"
            )
        wanted = self._thinned_counts(ratio, seed)  # (K,)
        chance = per_sample_uniform(derive_seed(seed, "imbalance"), self.pool.ids, "kept")
        kept = [
            places[np.lexsort((self.pool.ids[places], chance[places]))[: wanted[position]]]
            for position in range(len(self.classes))
            for places in [np.flatnonzero(self.targets == position)]
        ]
        rows = np.sort(np.concatenate(kept))
        return replace(self, pool=self.pool.subset(self.pool.ids[rows]), targets=self.targets[rows])

    def _thinned_counts(self, ratio: float, seed: int) -> Ids:
        classes = len(self.classes)
        there = np.bincount(self.targets, minlength=classes)
        chance = per_sample_uniform(derive_seed(seed, "imbalance"), np.arange(classes), "classes")
        place = np.argsort(np.argsort(chance, kind="stable"), kind="stable")  # (K,): 0 is the most frequent
        share = ratio ** (-place / (classes - 1))
        wanted = np.rint((there / share).min() * share).astype(np.int64)
        if wanted.min() < 1:
            raise DataError(
                f"expected an image of every class in an imbalance of {ratio:g}, got none of "
                f"{self.classes[int(wanted.argmin())]!r}; lower the imbalance (the pool has {there.min():,} to "
                f"{there.max():,} images of a class)"
            )
        return np.asarray(wanted)

    def fingerprint(self) -> str:
        """Return a hash of ids, classes and a few images: it tells whether saved work belongs to these data."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for pool, targets in ((self.pool, self.targets), (self.test, self.test_targets)):
            some = pool.ids[np.linspace(0, len(pool) - 1, min(len(pool), _LOOKED_AT)).astype(np.int64)]
            for array in (pool.ids, targets, pool.take(some).numpy()):
                digest.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]


def _as_targets(targets: ArrayLike) -> Ids:
    values = targets.numpy() if isinstance(targets, torch.Tensor) else np.asarray(targets)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise DataError(f"expected class positions as integers (N,), got {values.dtype} {values.shape}")
    return np.asarray(values, np.int64)


def _check_part(name: str, pool: ImagePool, targets: Ids, classes: int) -> None:
    if len(pool) == 0:
        raise DataError(f"expected images in the {name}, got none")
    if targets.shape != (len(pool),) or targets.dtype != np.int64:
        raise DataError(
            f"expected {len(pool)} classes for the {name}'s images as int64, got {targets.dtype} {targets.shape}"
        )
    if targets.min() < 0 or targets.max() >= classes:
        raise DataError(
            f"expected {name} classes from 0 to {classes - 1}, got {int(targets.min())} to {int(targets.max())}"
        )
