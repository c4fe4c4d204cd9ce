"""Runs of a comparison as the engine leaves them, made by rule: a few arms, some seeds, curves that rise."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from PIL import Image

from db import access, comparison_log, comparisons, jobs, projects, samples
from db.engine import Database
from db.records import (
    Actor,
    Comparison,
    ComparisonPoint,
    ComparisonRun,
    ComparisonState,
    NewComparison,
    NewFile,
    Project,
    ProjectSpec,
)
from tests.labeler_ui.seed import write_shard

_unique = itertools.count()

ARMS = ("random_sampling", "margin", "bald", "core_set", "dfal_0", "dfal")
GAIN = {"random_sampling": 0.0, "margin": 0.045, "bald": 0.03, "core_set": -0.01, "dfal_0": 0.04, "dfal": 0.05}
SEEDS = (0, 1, 2, 3, 4)
LABELS = (20, 40, 60, 80, 100, 120)
SETTINGS = {
    "dataset": "digits", "strategies": list(ARMS), "model": "lenet5", "labels": LABELS[-1], "batch": 20,
    "seed_labels": 20, "seeds": list(SEEDS), "protocol": "fair", "recipe": "tuned", "cold_start": "random_sampling",
    "imbalance": None, "copy_rounds": 3, "transfer": None,
}  # fmt: skip
ABOUT = {
    "device": "cpu", "machine": "Linux-6.1-x86_64", "versions": {"borderline": "0.1.0", "torch": "2.11.0"},
    "recipe": {"name": "tuned", "learning_rate": 0.003, "weight_decay": 0.01, "epochs": 60},
    "tuning": {"trials": 12, "labels_spent": 20},
}  # fmt: skip


def point(
    labels: int, before: int, accuracy: float, ids: Sequence[int], classes: int, query_seconds: float | None
) -> ComparisonPoint:
    """Return one point; class 0 is rare: it has few labels, and its recall lags."""
    counts = np.full(classes, labels // classes)
    counts[0] = max(1, counts[0] // 4)
    recall = np.clip(accuracy + np.linspace(-0.15, 0.05, classes), 0, 1)
    return ComparisonPoint(
        labels=labels,
        accuracy=round(accuracy, 4),
        balanced_accuracy=round(float(recall.mean()), 4),
        class_recall=tuple(round(float(value), 4) for value in recall),
        class_labels=tuple(int(value) for value in counts),
        queried=tuple(ids[before:labels]),
        query_seconds=query_seconds,
        train_seconds=0.5 + labels / 100,
        figures={"steps": 10 * labels},
    )


def points(
    arm: str, seed: int, ids: Sequence[int], *, labels: Sequence[int] = LABELS, classes: int = 10
) -> tuple[ComparisonPoint, ...]:
    """Return a run's points: the seed set is shared by the arms of a seed, what follows is the arm's own choice."""
    shared = np.random.default_rng(seed)  # the part of the luck that all arms of a seed share
    own = np.random.default_rng([seed, sum(arm.encode())])
    luck, order = shared.normal(0, 0.02), shared.permutation(np.asarray(ids))
    order[labels[0] :] = own.permutation(order[labels[0] :])
    found = []
    for place, (before, here) in enumerate(pairwise([0, *labels])):
        gain = GAIN.get(arm, 0.02) * (place > 0)
        accuracy = 0.97 - 0.55 * np.exp(-here / 60) + gain + luck + own.normal(0, 0.006) * (place > 0)
        chosen = [int(item) for item in order]
        found.append(
            point(here, before, min(0.995, float(accuracy)), chosen, classes, 0.2 + 0.1 * place if place else None)
        )
    return tuple(found)


def runs(
    ids: Sequence[int], *, arms: Sequence[str] = ARMS, seeds: Sequence[int] = SEEDS, classes: int = 10
) -> list[ComparisonRun]:
    """Return finished runs, every arm with every seed."""
    pairs = [(arm, seed) for arm in arms for seed in seeds]
    return [
        ComparisonRun(
            id=number, arm=arm, seed=seed, state="done", points=points(arm, seed, ids, classes=classes)
        )
        for number, (arm, seed) in enumerate(pairs, 1)
    ]  # fmt: skip


def comparison(**changes: object) -> Comparison:
    """Return a comparison that is done."""
    wanted = len(ARMS) * len(SEEDS) * len(LABELS)
    values = {
        "id": 1, "project_id": 1, "name": "digits, lenet5", "key": "k" * 64, "settings": SETTINGS, "about": ABOUT,
        "state": "done", "points_done": wanted, "points_wanted": wanted, "created_at": 1_790_000_000_000, "note": "",
        "updated_at": 1_790_000_600_000,
    }  # fmt: skip
    return Comparison(**{**values, **changes})


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A comparison in a store, and who made it."""

    database: Database
    project: Project
    actor: Actor
    id: int

    def comparison(self) -> Comparison:
        """Read it as it is now."""
        return comparisons.get(self.database, self.actor, self.id)


def stored(
    database: Database,
    *,
    name: str = "",
    arms: Sequence[str] = ARMS,
    seeds: Sequence[int] = SEEDS,
    images: int = 300,
    state: ComparisonState = "done",
    share: float = 1.0,
    failing: str = "",
    labels: Sequence[int] = LABELS,
) -> Stored:
    """Keep a comparison in the store as the flow would: images with hidden classes, runs, points, what is known of it.

    Args:
        database: The store.
        name: Of the project and the comparison.
        arms: Strategies.
        seeds: Of every arm.
        images: Of the project.
        state: Where the comparison stands.
        share: Of the points that are made, run by run.
        failing: Why the last run failed; empty if none did.
        labels: Label counts of every run.
    """
    actor = access.local_user(database, "seeder")
    name = name or f"digits, lenet5 ({next(_unique)})"
    project = _images(database, actor, name, images)
    ids = [int(item) for item in samples.pool_index(database, project.id).ids]
    pairs = tuple((arm, seed) for arm in arms for seed in seeds)
    settings = {**SETTINGS, "strategies": list(arms), "seeds": list(seeds), "labels": labels[-1]}
    new = NewComparison(name=name, key=name, settings=settings, runs=pairs, points_wanted=len(pairs) * len(labels))
    made = comparisons.start_or_find(database, actor, project.id, new)
    comparison_log.add_about(database, actor, made.id, ABOUT)
    _map(database, actor, made.id, ids)
    scene = Stored(database=database, project=project, actor=actor, id=made.id)
    comparison_log.set_state(database, actor, made.id, state, failing)
    if state == "running":
        jobs.begin(database, actor, project.id, f"compare-{made.id}", "test")
    _fill(scene, ids, labels, share, failing)
    return scene


def _images(database: Database, actor: Actor, name: str, count: int) -> Project:
    classes = tuple("0123456789")
    spec = ProjectSpec(name=name, classes=classes, kind="simulation", holdout_size=0)
    project = projects.create_project(database, actor, spec)
    drawn, truth = _digits(count)
    shard, found = write_shard(database.home, project, drawn)
    known = [replace(sample, known_class=classes[digit]) for sample, digit in zip(found, truth, strict=True)]
    samples.register_shard(database, actor, project.id, shard, known, "hide")
    return project


def _digits(count: int) -> tuple[list[np.ndarray], list[int]]:
    """Return drawn digits, uint8 (28, 28), and what they are."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = [Image.fromarray((image * 15.9).astype(np.uint8)).resize((28, 28), 3) for image in found.images[:count]]
    return [np.asarray(image) for image in images], [int(digit) for digit in found.target[:count]]


def _fill(scene: Stored, ids: Sequence[int], labels: Sequence[int], share: float, failing: str) -> None:
    """Make the points of one run after the other, until their share is made."""
    database, actor = scene.database, scene.actor
    every = comparisons.runs(database, actor, scene.id)
    left = round(share * len(every) * len(labels))
    for run in every:
        some = points(run.arm, run.seed, ids, labels=labels)[:left]
        left -= len(some)
        for entry in some:
            comparison_log.record_point(database, actor, run.id, entry)
        if some:
            comparison_log.set_run_state(database, actor, run.id, "done" if len(some) == len(labels) else "running")
    if failing:
        comparison_log.set_run_state(database, actor, every[-1].id, "failed", failing)


def _map(database: Database, actor: Actor, comparison_id: int, ids: Sequence[int]) -> None:
    generator = np.random.default_rng(0)
    places = generator.normal(size=(len(ids), 2)) + [
        [place % 10 % 4 * 4, place % 10 // 4 * 4] for place in range(len(ids))
    ]
    told = {"ids": list(ids), "x": places[:, 0].round(2).tolist(), "y": places[:, 1].round(2).tolist()}
    data = json.dumps(told).encode()
    path = database.home / "comparisons" / f"{comparison_id}" / "map.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    file = NewFile(
        path=path.relative_to(database.home).as_posix(), sha256=hashlib.sha256(data).hexdigest(), size=len(data)
    )
    comparison_log.record_file(database, actor, comparison_id, "map", "map", file)
