"""Trains on the labels of today outside of a round; the project's rule decides whether the new model is used."""

from __future__ import annotations

from dataclasses import dataclass

from db import model_versions, projects
from db.records import ModelVersion, Project
from flows.devices import device_slot
from flows.errors import UsageError
from flows.learning import fingerprints, train_version
from flows.promotion import settle
from flows.report import Reporter
from flows.store import Store
from flows.training_data import read_training_data


@dataclass(frozen=True, kw_only=True)
class RetrainOutcome:
    """What a retraining did.

    Attributes:
        model_version_id: The new version, or the newest one when there was nothing new to learn from.
        promoted: Whether a new version is the one in use now.
        sentence: The same in words.
    """

    model_version_id: int
    promoted: bool
    sentence: str


def retrain_project(store: Store, project_id: int, reporter: Reporter) -> RetrainOutcome:
    """Train on today's labels; the new version becomes the one in use by the project's rule (`flows.promotion`).

    Nothing is trained when no label is new since the newest version, whether that is in use or not.

    Raises:
        UsageError: Labels span fewer than two classes.
    """
    project = projects.get_project(store.database, store.actor, project_id)
    data = read_training_data(store, project)
    if data.classes_present < 2:
        raise UsageError(
            f"expected labels of at least two classes, got {data.classes_present}; do: label more images first"
        )
    versions = model_versions.list_versions(store.database, store.actor, project_id)
    if versions and _learned_from(versions[0]) == fingerprints(data):
        return _nothing_new(store, project, versions[0], reporter)
    name = f"retrain-{1 + (versions[0].number if versions else 0)}"  # never an older version's file
    with device_slot(store, reporter):
        version = train_version(store, project, name, reporter)
    promotion = settle(store, project, version, reporter)
    return RetrainOutcome(model_version_id=version.id, promoted=promotion.promoted, sentence=promotion.sentence)


def _nothing_new(store: Store, project: Project, newest: ModelVersion, reporter: Reporter) -> RetrainOutcome:
    """Apply the rule all the same: a kill may have come between training and choosing, or the rule has changed."""
    promotion = settle(store, project, newest, reporter)
    sentence = f"No label is new since model version {newest.number}. {promotion.sentence}"
    fresh = promotion.promoted and not newest.current
    return RetrainOutcome(model_version_id=newest.id, promoted=fresh, sentence=sentence)


def _learned_from(version: ModelVersion) -> dict[str, str | None]:
    """Return the hashes of what a version learned from; older versions name the labels alone, for there was no more."""
    return {name: version.metrics.get(name) for name in ("fingerprint", "synthetic_fingerprint")}
