"""What makers and the gate may look at: labels, labels held out, the unlabeled pool; never test or holdout images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from db import model_versions, samples
from db.records import Project
from flows.learning import device_of, load_version
from flows.outputs import fold, live_positions, to_live
from flows.report import Reporter
from flows.store import Store
from flows.training_data import open_pool, read_labels, some_that_fit
from pipeline.augmentation.gan.trusted import fit_temperature, trusted_by_class
from pipeline.augmentation.quality import set_aside
from pipeline.data.pool import ImagePool
from pipeline.models.base import Classifier
from pipeline.randomness import derive_seed
from pipeline.training.inference import predict_logits
from pipeline.training.labeled import LabeledImages

POOL_BYTES = 1 << 30  # most memory for unlabeled images that a generator learns from


@dataclass(frozen=True, kw_only=True)
class Material:
    """The labels of a project, split into what generators learn from and what the gate measures on.

    Attributes:
        labeled: What generators, and the gate's own trainings, learn from.
        held_out: What the gate measures on: the validation split, or labels that were set aside.
        aside: Whether they were set aside; a generator that saw what it is judged on would look better than it is.
        everything: All labels, both parts.
        outputs: Class positions there are, those of classes that are gone included.
        classes: Positions of the classes in use.
    """

    labeled: LabeledImages
    held_out: LabeledImages
    aside: bool
    everything: LabeledImages
    outputs: int
    classes: tuple[int, ...]

    @property
    def counts(self) -> dict[int, int]:
        """Images that may be learned from, by class position."""
        found = torch.bincount(self.labeled.targets, minlength=self.outputs).tolist()
        return {position: found[position] for position in self.classes}

    @property
    def labels(self) -> dict[int, int]:
        """All labels by class position."""
        found = torch.bincount(self.everything.targets, minlength=self.outputs).tolist()
        return {position: found[position] for position in self.classes}

    def of_class(self, target: int) -> LabeledImages:
        """Return the images of one class that may be learned from."""
        return self.labeled.take(self.labeled.targets == target)

    def split_as(self, held_out: Sequence[int] | None) -> Material:
        """Return the same labels with those set aside that were so before, when a maker was trained without them.

        Args:
            held_out: Sample ids that were set aside then; None where a validation split measured.
        """
        if held_out is None or not self.aside:
            return self
        aside = torch.isin(self.everything.ids, torch.tensor(held_out, dtype=torch.int64))
        return replace(self, labeled=self.everything.take(~aside), held_out=self.everything.take(aside))


@dataclass(frozen=True, kw_only=True)
class Unlabeled:
    """Unlabeled images of the pool, as many as fit into memory.

    Attributes:
        images: uint8 (P, C, S, S).
        ids: int64 (P,), sample ids.
        trusted: Those among them whose class the last model is sure of; None without a model or any such.
        shares: Of each class in the pool, as the last model sees it (the labels do not tell: active learning chose
            them); None without a model.
    """

    images: Tensor
    ids: NDArray[np.int64]
    trusted: LabeledImages | None = None
    shares: tuple[float, ...] | None = None

    @property
    def sha256(self) -> str:
        """Hash of the sample ids: which pool it was."""
        return hashlib.sha256(self.ids.tobytes()).hexdigest()


def read_material(store: Store, project: Project) -> Material | None:
    """Read today's labels; None while there are none."""
    everything, validation = read_labels(store, project)
    if not len(everything):
        return None
    labeled, held_out = everything, validation
    if held_out is None:
        labeled, held_out = set_aside(everything, seed=derive_seed(project.seed, "gate"))
    return Material(
        labeled=labeled,
        held_out=held_out,
        aside=validation is None,
        everything=everything,
        outputs=project.outputs,
        classes=tuple(live_positions(project).tolist()),
    )


def read_unlabeled(store: Store, project: Project, material: Material, reporter: Reporter) -> Unlabeled | None:
    """Read unlabeled pool images with the last model's pseudo-labels; None when everything has an answer."""
    index = samples.pool_index(store.database, project.id, splits=("pool",), labeled=False)
    if not len(index.ids):
        return None
    pool = open_pool(store, index)
    size = int(np.prod(pool.image_shape))
    ids = np.sort(some_that_fit(index.ids, max(1, POOL_BYTES // size), project.seed, "generator"))
    pool = pool.subset(ids)
    version = model_versions.current(store.database, project.id)
    if version is None:
        return Unlabeled(images=pool.take(ids), ids=ids)
    reporter.progress(0, 0, f"looking at {len(pool):,} unlabeled images for more of the rare classes")
    model, device = load_version(store, version), device_of(store)
    found, logits = predict_logits(model, pool, device=device)  # (P,), (P, K)
    temperature = 1.0 if material.aside else _temperature(model, material.held_out, device)
    return Unlabeled(
        images=pool.take(ids),
        ids=ids,
        trusted=_trusted(project, pool, found, logits, temperature),
        shares=_shares(project, logits / temperature),
    )


def _trusted(
    project: Project, pool: ImagePool, ids: NDArray[np.int64], logits: Tensor, temperature: float
) -> LabeledImages | None:
    places, predicted = trusted_by_class(logits, temperature=temperature)
    found, targets = ids[places.numpy()], to_live(project, predicted.numpy())
    found, targets = found[targets >= 0], targets[targets >= 0]  # its class may be gone since
    if not len(found):
        return None
    return LabeledImages(images=pool.take(found), targets=torch.from_numpy(targets), ids=torch.from_numpy(found))


def _shares(project: Project, logits: Tensor) -> tuple[float, ...]:
    """Return the mean probability of each class position (K,), 0 where a class is gone."""
    shares = np.zeros(project.outputs)
    shares[live_positions(project)] = fold(project, logits.double().softmax(dim=1).numpy()).mean(axis=0)
    return tuple(shares.tolist())


def _temperature(model: Classifier, validation: LabeledImages, device: torch.device) -> float:
    """Calibrate on validation images: their labels chose the weights that were kept, but were not trained on."""
    known = validation.targets < model.architecture.classes  # a class may be younger than the model
    if not bool(known.any()):
        return 1.0
    pool = ImagePool.from_tensor(validation.images[known])
    return fit_temperature(predict_logits(model, pool, device=device)[1], validation.targets[known])
