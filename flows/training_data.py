"""Turns rows into what a network learns from: labels, copies, pseudo-labels, synthetic images, the validation split."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from db import copies as copy_store
from db import pseudo_labels as pseudo_store
from db import samples
from db import synthetic as synthetic_store
from db.records import PoolIndex, Project, TrainingCopy, TrainingSynthetic
from flows.outputs import to_live
from flows.store import Store
from pipeline.augmentation.adversarial_training import UnlabeledImages
from pipeline.data.pool import ImagePool
from pipeline.files import check_file
from pipeline.randomness import per_sample_uniform
from pipeline.strategies.copies import WithCopies, copy_rounds
from pipeline.strategies.registry import get_strategy
from pipeline.training.labeled import LabeledImages
from pipeline.training.work_order import Kind

logger = logging.getLogger(__name__)

COPY_ROUNDS = 3
PSEUDO_BYTES = 1 << 30  # most memory for the images of pseudo-labels: 10,000 of 180 x 180 pixels in color


@dataclass(frozen=True)
class TrainingData:
    """What a network learns from.

    Attributes:
        labeled: Images with their resolved labels.
        copies: Adversarial copies with the labels of their originals, None without any.
        pseudo: Images without a label that the last round's model was sure of, with its classes; None without any.
        validation: Images whose labels were known beforehand, None without any.
        synthetic: Accepted images of generators, each with its weight and an id below 0; None without any.
        generators: Which made them, and how many: kept with the model version.
    """

    labeled: LabeledImages
    copies: LabeledImages | None
    pseudo: LabeledImages | None
    validation: LabeledImages | None
    synthetic: LabeledImages | None = None
    generators: tuple[dict[str, Any], ...] = ()

    def by_kind(self) -> dict[Kind, LabeledImages]:
        """Return the images of each kind that there are any of."""
        found: dict[Kind, LabeledImages | None] = {
            "labeled": self.labeled, "copies": self.copies, "pseudo": self.pseudo, "validation": self.validation,
            "synthetic": self.synthetic,
        }  # fmt: skip
        return {kind: images for kind, images in found.items() if images}

    @property
    def classes_present(self) -> int:
        """How many classes have at least one label."""
        return len(torch.unique(self.labeled.targets))


def open_pool(store: Store, index: PoolIndex) -> ImagePool:
    """Open the memory-mapped images of an index; each shard's hash is checked when it is first read."""
    return ImagePool(index.ids, index.shard, index.row, [store.path(path) for path in index.paths], index.shas)


def images_of(store: Store, project: Project, ids: NDArray[np.int64], splits: tuple[str, ...]) -> torch.Tensor:
    """Return the uint8 images of some samples, in the order of the ids."""
    index = samples.pool_index(store.database, project.id, splits=splits, labeled=None)
    return open_pool(store, index).take(ids)  # (N, C, S, S)


def read_labels(store: Store, project: Project) -> tuple[LabeledImages, LabeledImages | None]:
    """Read today's labels of the pool, and the validation split (None without one)."""
    ids, targets = samples.labeled(store.database, project.id)
    labeled = _labeled_images(store, project, ids, targets, ("pool",))
    known_ids, known_targets = samples.split_truth(store.database, project.id, "validation")
    if not len(known_ids):
        return labeled, None
    return labeled, _labeled_images(store, project, known_ids, known_targets, ("validation",))


def read_training_data(store: Store, project: Project) -> TrainingData:
    """Read labels, copies of the last rounds, the newest pseudo-labels, accepted synthetic images and validation."""
    labeled, validation = read_labels(store, project)
    synthetic, generators = read_synthetic(store, project)
    return TrainingData(
        labeled=labeled,
        copies=_read_copies(store, project, labeled),
        pseudo=_read_pseudo_labels(store, project, labeled),
        validation=validation,
        synthetic=synthetic,
        generators=generators,
    )


def _labeled_images(
    store: Store, project: Project, ids: NDArray[np.int64], targets: NDArray[np.int64], splits: tuple[str, ...]
) -> LabeledImages:
    images = images_of(store, project, ids, splits)
    return LabeledImages(images=images, targets=torch.from_numpy(targets), ids=torch.from_numpy(ids))


def _read_copies(store: Store, project: Project, labeled: LabeledImages) -> LabeledImages | None:
    """Read the copies of these labels; an answer that came since the labels were read waits for the next training."""
    known = dict(zip(labeled.ids.tolist(), labeled.targets.tolist(), strict=True))
    found = copy_store.copies_for_training(store.database, project.id, last_rounds=_rounds_of_copies(project))
    rows = [row for row in found if known.get(row.sample_id) == row.position]
    if not rows:
        return None
    return LabeledImages(
        images=_rows_of_files(store, rows),
        targets=torch.tensor([row.position for row in rows]),
        ids=torch.tensor([row.sample_id for row in rows]),
    )


def _rows_of_files(store: Store, rows: Sequence[TrainingCopy] | Sequence[TrainingSynthetic]) -> torch.Tensor:
    """Return rows (N, C, S, S) of array files, each file checked by its hash before it is read."""
    arrays: dict[str, NDArray[Any]] = {}
    for row in rows:
        if row.path not in arrays:
            check_file(store.path(row.path), row.sha256)
            arrays[row.path] = np.load(store.path(row.path), mmap_mode="r", allow_pickle=False)
    return torch.from_numpy(np.stack([arrays[row.path][row.row] for row in rows]))


def read_synthetic(store: Store, project: Project) -> tuple[LabeledImages | None, tuple[dict[str, Any], ...]]:
    """Read accepted synthetic images of classes that still have fewer labels than `generate_below`, and their makers.

    Their ids are below 0, so that none can ever be taken for a sample.
    """
    rows = synthetic_store.for_training(store.database, store.actor, project.id, below=project.generate_below)
    if not rows:
        return None, ()
    images = LabeledImages(
        images=_rows_of_files(store, rows),
        targets=torch.tensor([row.position for row in rows]),
        ids=torch.tensor([-row.synthetic_id for row in rows]),
        weights=torch.tensor([row.weight for row in rows], dtype=torch.float64),
    )
    return images, _makers(store, project, rows)


def _makers(store: Store, project: Project, rows: Sequence[TrainingSynthetic]) -> tuple[dict[str, Any], ...]:
    made = Counter(row.generator_number for row in rows)
    groups = synthetic_store.groups(store.database, store.actor, project.id)
    known = {group.version.number: group.version.sha256 for group in groups}
    return tuple({"number": one, "sha256": known[one], "images": made[one]} for one in sorted(made))


def _rounds_of_copies(project: Project) -> int:
    """Return of how many rounds the copies train: those made anew are all in the last one."""
    strategy = get_strategy(project.strategy)
    if isinstance(strategy, WithCopies) and strategy.made == "anew":
        return 1
    return copy_rounds(strategy, COPY_ROUNDS) or COPY_ROUNDS


def read_unlabeled(store: Store, project: Project) -> UnlabeledImages | None:
    """Read images of the pool that nobody labeled, for a recipe that learns from them; as many as fit into memory."""
    index = samples.pool_index(store.database, project.id, splits=("pool",), labeled=False)
    if not len(index.ids):
        return None
    pool = open_pool(store, index)
    most = max(1, PSEUDO_BYTES // int(np.prod(pool.image_shape)))
    order = np.argsort(per_sample_uniform(project.seed, index.ids, "unlabeled"), kind="stable")
    ids = np.sort(index.ids[order[:most]])
    return UnlabeledImages(images=pool.take(ids), ids=torch.from_numpy(ids))


def _read_pseudo_labels(store: Store, project: Project, labeled: LabeledImages) -> LabeledImages | None:
    """Read the newest round's pseudo-labels of what is still in the pool without a label and without any answer."""
    file = pseudo_store.for_training(store.database, project.id)
    if file is None:
        return None
    check_file(store.path(file.path), file.sha256)
    pairs: NDArray[np.int64] = np.load(store.path(file.path), allow_pickle=False)  # (P, 2)
    pairs = np.stack([pairs[:, 0], to_live(project, pairs[:, 1])], axis=1)
    pairs = pairs[pairs[:, 1] >= 0]  # its class may be gone since
    index = samples.pool_index(store.database, project.id, splits=("pool",), labeled=False)
    usable = np.isin(pairs[:, 0], index.ids) & ~np.isin(pairs[:, 0], labeled.ids.numpy())
    if not usable.any():
        return None
    pool = open_pool(store, index)
    pairs = _that_fit(pairs[usable], int(np.prod(pool.image_shape)), project.seed)
    ids, targets = pairs[:, 0].copy(), pairs[:, 1].copy()
    return LabeledImages(images=pool.take(ids), targets=torch.from_numpy(targets), ids=torch.from_numpy(ids))


def _that_fit(pairs: NDArray[np.int64], image_bytes: int, seed: int) -> NDArray[np.int64]:
    """Return the pairs (P, 2), or a random part of them when their images would take too much memory."""
    most = max(1, PSEUDO_BYTES // image_bytes)
    if len(pairs) <= most:
        return pairs
    logger.info("%d of %d pseudo-labels train: the images of all would take too much memory", most, len(pairs))
    return pairs[np.isin(pairs[:, 0], some_that_fit(pairs[:, 0], most, seed, "pseudo_labels"))]


def some_that_fit(ids: NDArray[np.int64], most: int, seed: int, stream: str) -> NDArray[np.int64]:
    """Return all ids (N,), or a random part of `most` of them, drawn by id."""
    if len(ids) <= most:
        return ids
    return ids[np.argsort(per_sample_uniform(seed, ids, stream), kind="stable")[:most]]
