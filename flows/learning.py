"""Trains a network and turns it into a model version: the learning half of a round and of a retrain."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from db import model_versions, samples
from db.crash_points import MODEL_ON_DISK, MODEL_RECORDED, reach
from db.records import ModelVersion, NewFile, NewModelVersion, Project
from flows.distributed import accelerator_of, launch_of, train_together
from flows.errors import UsageError
from flows.files import new_file
from flows.outputs import fold, live_positions
from flows.report import Reporter
from flows.store import Store
from flows.successive import agreement_with_last
from flows.training_data import TrainingData, open_pool, read_training_data, read_unlabeled
from pipeline.augmentation.adversarial_training import Trades
from pipeline.models.base import Classifier
from pipeline.models.registry import build_model
from pipeline.models.store import load_model, save_model
from pipeline.randomness import derive_seed
from pipeline.statistics import classified
from pipeline.training.inference import choose_device, predict_logits
from pipeline.training.labeled import TrainingReport
from pipeline.training.recipes import Balance, SupervisedRecipe, recipe_by_name
from pipeline.training.supervised import train
from pipeline.training.work_order import WorkOrder

EVALUATION_SPLITS = ("validation", "test")


def device_of(store: Store) -> torch.device:
    """Return the device that the settings ask for; a GPU that is asked for and missing is an error."""
    if store.settings.device == "auto":
        return choose_device()
    device = torch.device(store.settings.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"expected a GPU for BORDERLINE_DEVICE={store.settings.device}, got none; do: use auto or cpu")
    return device


def train_version(
    store: Store, project: Project, name: str, reporter: Reporter, *, round_id: int | None = None
) -> ModelVersion:
    """Train on today's labels, save the weights, then write the row; a killed run goes on from its checkpoint.

    Whether the version becomes the one in use is decided afterwards, by `flows.promotion`.

    Args:
        store: The open store.
        project: Whose labels.
        name: Stable name of this training (``round-3``): seeds and files derive from it.
        reporter: Receives the progress; may raise to cancel.
        round_id: The round that this model is for.

    Returns:
        The model version, with its metrics on the validation and test splits, its predictions of the holdout, and how
        far it agrees with the version before it.
    """
    data = read_training_data(store, project)
    device = device_of(store)
    seed = derive_seed(project.seed, "train", name)
    model, recipe = new_model(project, seed), recipe_of(project)
    folder = store.settings.project_folder(project.id, "models")
    checkpoint = folder / f"{name}-{len(data.labeled.ids)}-{project.outputs}.checkpoint"
    launch = launch_of(store.settings, device)
    if launch.alone:
        report = train(
            model,
            data.labeled,
            recipe,
            seed=seed,
            device=device,
            copies=data.copies,
            pseudo=data.pseudo,
            validation=data.validation,
            synthetic=data.synthetic,
            unlabeled=read_unlabeled(store, project) if isinstance(recipe.adversarial, Trades) else None,
            checkpoint=checkpoint,
            on_progress=reporter.progress,
        )
    else:
        order = WorkOrder(
            model=model, recipe=recipe, seed=seed, accelerator=accelerator_of(device), checkpoint=checkpoint,
            images=data.by_kind(),
        )  # fmt: skip
        report = train_together(store.settings, launch, order, reporter)
        model.to(device)
    file = _save(store, project, model, folder / f"{name}.safetensors", len(data.labeled.ids))
    reach(MODEL_ON_DISK)
    new = NewModelVersion(
        file=file,
        architecture=project.model,
        recipe=repr(recipe),
        strategy=project.strategy,
        seed=seed,
        labels_used=len(data.labeled.ids),
        copies_used=0 if data.copies is None else len(data.copies.ids),
        synthetic_used=0 if data.synthetic is None else len(data.synthetic),
        round_id=round_id,
        metrics={
            **fingerprints(data),
            "classes": live_positions(project).tolist(),
            "pseudo_used": 0 if data.pseudo is None else len(data.pseudo),
            "generators": list(data.generators),
            **_training_metrics(report),
            **_accuracies(evaluate(store, project, model, device, reporter)),
            "agreement": agreement_with_last(store, project, model, device),
        },
        predictions=_holdout_predictions(store, project, model, device),
    )
    version = model_versions.record(store.database, store.actor, project.id, new)
    reach(MODEL_RECORDED)
    clear_checkpoints(store, project, name)
    return version


def clear_checkpoints(store: Store, project: Project, name: str) -> None:
    """Remove what a training of this name could have gone on from: its version is recorded."""
    for checkpoint in store.settings.project_folder(project.id, "models").glob(f"{name}-*.checkpoint"):
        checkpoint.unlink(missing_ok=True)


def new_model(project: Project, seed: int) -> Classifier:
    """Return the project's network as training starts from it: random by the seed, or with pretrained weights."""
    return build_model(
        project.model,
        classes=project.outputs,
        channels=project.channels,
        image_size=project.image_size,
        seed=seed,
        weights=starting_weights(project),
    )


def starting_weights(project: Project) -> Path | Literal["download"] | None:
    """Return what training starts from: a file, torchvision's own weights, or None for random ones."""
    if project.weights == "download":
        return "download"
    return Path(project.weights) if project.weights else None


def recipe_of(project: Project) -> SupervisedRecipe:
    """Return how the project trains: its recipe, with what the project does for classes with few labels."""
    return replace(recipe_by_name(project.recipe), balance=cast("Balance", project.balance))  # checked by the recipe


def fingerprints(data: TrainingData) -> dict[str, str | None]:
    """Return hashes of what was learned from: the same again would give the same model."""
    return {
        "fingerprint": data.labeled.fingerprint(),
        "synthetic_fingerprint": None if data.synthetic is None else data.synthetic.fingerprint(),
    }


def _save(store: Store, project: Project, model: Classifier, path: Path, labels: int) -> NewFile:
    metadata = {"classes": "\n".join(project.output_names), "project": project.name, "labels_used": str(labels)}
    return new_file(store, save_model(model, path, metadata))


def _training_metrics(report: TrainingReport) -> dict[str, Any]:
    return {
        "epochs": report.epochs,
        "steps": report.steps,
        "train_seconds": report.seconds,
        "train_loss": report.train_loss,
        "device": report.device,
    }


def _accuracies(figures: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {**figures, **{f"{split}_accuracy": figure["accuracy"] for split, figure in figures.items()}}


def evaluate(
    store: Store,
    project: Project,
    model: nn.Module,
    device: torch.device,
    reporter: Reporter,
    splits: tuple[str, ...] = EVALUATION_SPLITS,
) -> dict[str, dict[str, Any]]:
    """Return the figures of a model on each split whose labels were known beforehand.

    Returns:
        ``{split: {accuracy, correct, total, balanced_accuracy, class_recall, calibration_error}}``; the recall by
        class position, as text, of classes that there are images of (see `pipeline.statistics.classification`).
    """
    figures: dict[str, dict[str, Any]] = {}
    for split in splits:
        ids, targets = samples.split_truth(store.database, project.id, split)
        if not len(ids):
            continue
        reporter.progress(0, 0, f"measuring accuracy on {split}")
        predicted, confidence = predict(store, project, model, device, ids, (split,))
        found = classified(targets, predicted, confidence, classes=project.outputs)
        recall = {str(place): share for place, share in enumerate(found.class_recall) if share is not None}
        figures[split] = {**asdict(found), "class_recall": recall}
    return figures


def predict(
    store: Store,
    project: Project,
    model: nn.Module,
    device: torch.device,
    ids: NDArray[np.int64],
    splits: tuple[str, ...],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the predicted class positions (N,) and their probabilities (N,) of some samples, in their order.

    Positions are those of classes in use today, whatever the model's age.
    """
    index = samples.pool_index(store.database, project.id, splits=splits, labeled=None)
    pool = open_pool(store, index).subset(ids)
    found, logits = predict_logits(model, pool, device=device)  # (N,), (N, K)
    order = np.argsort(found, kind="stable")[np.argsort(np.argsort(ids, kind="stable"), kind="stable")]
    probabilities = fold(project, torch.softmax(logits.double(), dim=1).numpy()[order])  # (N, L)
    return live_positions(project)[probabilities.argmax(axis=1)], probabilities.max(axis=1)


def _holdout_predictions(
    store: Store, project: Project, model: nn.Module, device: torch.device
) -> list[tuple[int, int, float]]:
    """Predict the whole holdout: its labels come later, and every round is then measured against the same ones."""
    ids = samples.pool_index(store.database, project.id, splits=("holdout",), labeled=None).ids
    if not len(ids):
        return []
    positions, probabilities = predict(store, project, model, device, ids, ("holdout",))
    return list(zip(ids.tolist(), positions.tolist(), probabilities.tolist(), strict=True))


def load_version(store: Store, version: ModelVersion) -> Classifier:
    """Load the network of a model version; its hash is checked first.

    Raises:
        FileDamaged: The file is not the one that was written.
    """
    model, _ = load_model(store.path(version.path), version.sha256)
    return model
