"""Trains on the labels of today outside of a round, and keeps the better of the new and the current model."""

from __future__ import annotations

from dataclasses import dataclass, replace

from db import model_versions, projects
from db.records import ModelVersion, Project
from flows.errors import UsageError
from flows.learning import device_of, evaluate, fingerprints, load_version, train_version
from flows.locks import device_slot
from flows.outputs import live_positions
from flows.report import Reporter
from flows.store import Store
from flows.training_data import read_training_data


@dataclass(frozen=True, kw_only=True)
class RetrainOutcome:
    """What a retraining did.

    Attributes:
        model_version_id: The new version, or the current one when there was nothing new to learn from.
        promoted: Whether the new version is the current model now.
        sentence: The same in words.
    """

    model_version_id: int
    promoted: bool
    sentence: str


def retrain_project(store: Store, project_id: int, reporter: Reporter) -> RetrainOutcome:
    """Train on today's labels; the new version becomes current if it is not worse on the validation split.

    Without a validation split there is nothing fair to compare on (the test split and the holdout only measure),
    and the version that learned from more labels is taken. Nothing is trained when no label is new.

    Raises:
        UsageError: Labels span fewer than two classes.
    """
    project = projects.get_project(store.database, store.actor, project_id)
    data = read_training_data(store, project)
    if data.classes_present < 2:
        raise UsageError(
            f"expected labels of at least two classes, got {data.classes_present}; do: label more images first"
        )
    current = model_versions.current(store.database, project_id)
    labels = len(data.labeled.ids)
    if current is not None and _learned_from(current) == fingerprints(data):
        sentence = f"No label is new since model version {current.number}; it stays current."
        return RetrainOutcome(model_version_id=current.id, promoted=False, sentence=sentence)
    versions = model_versions.list_versions(store.database, store.actor, project_id)
    name = f"retrain-{1 + max((version.number for version in versions), default=0)}"  # never an older version's file
    with device_slot(store, reporter):
        version = train_version(store, project, name, reporter, current=False)
    if current is not None and is_worse(version, _in_todays_terms(store, project, current, reporter)):
        sentence = (
            f"Model version {version.number} is worse on validation than version {current.number}, which stays current."
        )
        return RetrainOutcome(model_version_id=version.id, promoted=False, sentence=sentence)
    model_versions.set_current(store.database, store.actor, project_id, version.id)
    sentence = f"Model version {version.number}, trained on {labels} labels, is current now."
    return RetrainOutcome(model_version_id=version.id, promoted=True, sentence=sentence)


def _learned_from(version: ModelVersion) -> dict[str, str | None]:
    """Return the hashes of what a version learned from; older versions name the labels alone, for there was no more."""
    return {name: version.metrics.get(name) for name in ("fingerprint", "synthetic_fingerprint")}


def _in_todays_terms(store: Store, project: Project, version: ModelVersion, reporter: Reporter) -> ModelVersion:
    """Return a version with its figures measured anew where classes were added, merged or removed since."""
    if version.metrics.get("classes", live_positions(project).tolist()) == live_positions(project).tolist():
        return version
    device = device_of(store)
    figures = evaluate(store, project, load_version(store, version).to(device), device, reporter, ("validation",))
    now = figures.get("validation", {}).get("accuracy")
    return replace(version, metrics={**version.metrics, "validation_accuracy": now})


def is_worse(new: ModelVersion, current: ModelVersion) -> bool:
    """Tell whether the new version is right on fewer validation images (False when either was not measured)."""
    now, before = (version.metrics.get("validation_accuracy") for version in (new, current))
    return now is not None and before is not None and bool(now < before)
