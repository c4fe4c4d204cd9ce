"""Active learning with an annotator who knows the truth, through the same claims, submits and flows as a person."""

from __future__ import annotations

import hashlib
import platform
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from db import annotations as answers
from db import claims, model_versions, projects, samples
from db import rounds as round_store
from db.access import simulated_user
from db.errors import NotFound
from db.records import Actor, Answer, Project, ProjectSpec
from flows.errors import UsageError
from flows.jobs import working
from flows.known_data import image_shape, open_known, pool_size, read_known
from flows.learning import device_of
from flows.report import Reporter
from flows.retrain import retrain_project
from flows.rounds import Batch, run_round
from flows.store import Store
from pipeline.data.sources import Source
from pipeline.strategies.registry import get_strategy

ANNOTATOR = "simulated annotator"
WINDOW = 20
COLD_START = "random_sampling"


@dataclass(frozen=True, kw_only=True)
class SimulationOptions:
    """What is simulated.

    Attributes:
        dataset: A data set's name or a path; its classes must be known.
        data_dir: Folder of downloaded data sets.
        strategy: What to ask next.
        model: Classifier by name.
        recipe: How it is trained.
        labels: Labels to reach.
        batch: Queries a round.
        seed_labels: Labels of the first round.
        seed: Seed of the choice of seed labels, weights and ties.
        image_size: Side in pixels; None takes that of the images, at most 64.
        channels: 1 or 3; None takes that of the images.
        cold_start: The strategy that chooses the first round's images; the same for all strategies that are compared.
    """

    dataset: str
    strategy: str
    labels: int
    batch: int
    seed_labels: int
    seed: int
    model: str = "convnet"
    recipe: str = "supervised"
    data_dir: Path | None = None
    image_size: int | None = None
    channels: int | None = None
    cold_start: str = COLD_START

    def __post_init__(self) -> None:
        if not 2 <= self.seed_labels <= self.labels:
            raise UsageError(f"expected 2 <= --seed-labels <= --labels, got {self.seed_labels} and {self.labels}")
        if self.batch < 1:
            raise UsageError(f"expected --batch of at least 1, got {self.batch}")

    @property
    def project_name(self) -> str:
        """Name of the project that holds the simulation: the same options are the same simulation."""
        data = Path(self.dataset).name or self.dataset
        size = f"-{self.image_size}px" if self.image_size else ""
        shape = f"{self.seed_labels}+{self.batch}to{self.labels}"
        place = Path(self.dataset).resolve() if Path(self.dataset).exists() else self.dataset
        origin = f"{place} {self.data_dir and self.data_dir.resolve()} {self.image_size} {self.channels} {self.recipe}"
        origin += "" if self.cold_start == COLD_START else f" {self.cold_start}"
        mark = hashlib.sha256(origin.encode()).hexdigest()[:6]  # equal names of different folders are different data
        return f"simulation-{data}-{self.model}-{self.strategy}-{shape}-seed{self.seed}{size}-{mark}"


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One point of the learning curve.

    Attributes:
        labels: Labels that the model learned from.
        test_accuracy: Share of the test split that it gets right; of this very model, never the best so far.
        balanced_accuracy: Mean of the classes' recalls; None for a model from before it was measured, as below.
        calibration_error: How far its confidence is from being right, in [0, 1].
        class_recall: By class position, as text.
        train_seconds: Time of its training.
        query_seconds: Time of the ranking that chose the next queries; None after the last training.
    """

    labels: int
    test_accuracy: float
    balanced_accuracy: float | None
    calibration_error: float | None
    class_recall: Mapping[str, float]
    train_seconds: float
    query_seconds: float | None


def simulate(
    store: Store, options: SimulationOptions, reporter: Reporter, on_point: Callable[[CurvePoint], None]
) -> dict[str, Any]:
    """Run (or go on with) a simulation until its labels are reached.

    Args:
        store: The open store; the project and all answers stay in it.
        options: What is simulated.
        reporter: Receives the progress.
        on_point: Called with every point of the curve as it is made.

    Returns:
        What ``--json`` writes: the curve, the strategy, seed, device and versions.

    Raises:
        UsageError: The data set has no classes, or fewer images than labels wanted.
    """
    project = _prepare(store, options, reporter)
    annotator = simulated_user(store.database, ANNOTATOR)
    shown: set[int] = set()
    while (labels := samples.counts(store.database, project.id).labeled_pool) < options.labels:
        _check_cancel(reporter)
        batch = Batch(first=options.seed_labels, size=min(options.batch, options.labels - labels), reserve=0)
        run_round(store, project.id, reporter, batch)
        _show_new(store, project, shown, on_point)
        answered = answer_all(store, annotator, project)
        if not answered:
            raise UsageError(
                f"expected {options.labels} labels, got {labels} and nothing left to ask; do: lower --labels"
            )
    with working(store, project.id, "retrain", reporter) as job:
        retrain_project(store, project.id, job)
    _show_new(store, project, shown, on_point)
    return _result(store, project, options)


def _check_cancel(reporter: Reporter) -> None:
    reporter.progress(0, 0, "next round")


def _prepare(store: Store, options: SimulationOptions, reporter: Reporter) -> Project:
    """Make the project and read its images; both are found again when the simulation goes on."""
    source = open_known(options.dataset, options.data_dir)
    try:
        project = projects.get_project(store.database, store.actor, options.project_name)
    except NotFound:
        pool = pool_size(source)
        if options.labels > pool:
            raise UsageError(
                f"expected --labels of at most {pool:,}, the images of the pool, got {options.labels:,}"
            ) from None
        project = _create(store, options, source)
    read_known(store, project, source, reporter)
    counts = samples.counts(store.database, project.id)
    if options.labels > counts.pool:
        raise UsageError(
            f"expected --labels of at most {counts.pool:,}, the usable images of the pool, got {options.labels:,}"
        )
    return project


def _create(store: Store, options: SimulationOptions, source: Source) -> Project:
    size, channels = image_shape(source)
    spec = ProjectSpec(
        name=options.project_name,
        classes=tuple(source.classes),
        image_size=options.image_size or size,
        channels=options.channels or channels,
        model=options.model,
        recipe=options.recipe,
        strategy=options.strategy,
        cold_start=options.cold_start,
        batch_size=options.batch,
        reserve_size=0,
        holdout_size=0,
        seed=options.seed,
        kind="simulation",  # a running `borderline up` leaves it alone: its rounds are ours
    )
    return projects.create_project(store.database, store.actor, spec)


def answer_all(store: Store, annotator: Actor, project: Project) -> int:
    """Claim what the open round asks and submit the known class of each, as the page does; returns how many."""
    class_ids = {item.position: item.id for item in project.classes}
    answered = 0
    while window := claims.claim(store.database, annotator, project.id, WINDOW):
        ids = np.array([query.sample_id for query in window], dtype=np.int64)
        truth = samples.known_classes(store.database, project.id, ids)
        for query in window:
            answer = Answer(
                answer_id=str(uuid.uuid4()),
                query_id=query.query_id,
                token=query.token,
                outcome="class",
                class_id=class_ids[truth[query.sample_id]],
                client_version="simulation",
            )
            answers.submit(store.database, annotator, project.id, answer)
            answered += 1
    return answered


def _show_new(store: Store, project: Project, shown: set[int], on_point: Callable[[CurvePoint], None]) -> None:
    for version_id, point in read_curve(store, project):
        if version_id not in shown:
            shown.add(version_id)
            on_point(point)


def read_curve(store: Store, project: Project) -> list[tuple[int, CurvePoint]]:
    """Return (model version id, point) for every model of the simulation, in the order of their labels."""
    history = round_store.history(store.database, store.actor, project.id)
    seconds = {item.model_version_id: item.diagnostics.get("query_seconds") for item in history}
    points = []
    for model in model_versions.list_versions(store.database, store.actor, project.id):
        test = model.metrics["test"]
        point = CurvePoint(
            labels=model.labels_used,
            test_accuracy=float(test["accuracy"]),
            balanced_accuracy=test.get("balanced_accuracy"),
            calibration_error=test.get("calibration_error"),
            class_recall=test.get("class_recall", {}),
            train_seconds=float(model.metrics["train_seconds"]),
            query_seconds=seconds.get(model.id),
        )
        points.append((model.id, point))
    return sorted(points, key=lambda item: item[1].labels)


def _result(store: Store, project: Project, options: SimulationOptions) -> dict[str, Any]:
    return {
        "project": project.name,
        "dataset": options.dataset,
        "model": options.model,
        "strategy": repr(get_strategy(options.strategy)),
        "cold_start": repr(get_strategy(options.cold_start)),
        "seed": options.seed,
        "seed_labels": options.seed_labels,
        "batch": options.batch,
        "curve": [point for _, point in read_curve(store, project)],
        "device": str(device_of(store)),
        "machine": platform.platform(),
        "versions": {name: version(name) for name in ("borderline", "torch", "torchvision", "numpy")},
    }
