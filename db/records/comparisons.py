"""Records of comparisons: their settings, their runs (an arm with a seed each) and the points of those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ComparisonState = Literal["running", "stopped", "done", "failed"]
RunState = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True, kw_only=True)
class ComparisonPoint:
    """One model of a run.

    Attributes:
        labels: Labels paid for so far.
        accuracy: Share of the test images that it gets right.
        balanced_accuracy: Mean of the classes' recalls.
        class_recall: (K,), by class position; None for a class without test images.
        class_labels: (K,), labels of each class so far.
        queried: Sample ids asked to get here.
        query_seconds: Time of the ranking; None for the seed set.
        train_seconds: Time of the training.
        figures: More about it.
    """

    labels: int
    accuracy: float
    balanced_accuracy: float
    class_recall: tuple[float | None, ...]
    class_labels: tuple[int, ...]
    queried: tuple[int, ...]
    query_seconds: float | None
    train_seconds: float
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ComparisonRun:
    """One arm with one seed.

    Attributes:
        id: Stable number.
        arm: What it is called in tables.
        seed: Of everything random.
        state: Where it stands.
        note: Why it failed, in plain words; empty otherwise.
        points: In the order of their labels.
    """

    id: int
    arm: str
    seed: int
    state: RunState
    note: str = ""
    points: tuple[ComparisonPoint, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ComparisonFile:
    """What a page shows of a comparison beyond numbers.

    Attributes:
        kind: 'map' (where the queries lie, JSON) or 'sheet' (queried images, PNG).
        name: Which of its kind.
        path: Relative to BORDERLINE_HOME.
        sha256: Of its bytes.
        size: In bytes.
    """

    kind: str
    name: str
    path: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class NewComparison:
    """A comparison to start, or to find by its key.

    Attributes:
        name: What it is called on pages.
        key: Hash of settings and data.
        settings: As typed.
        runs: (arm, seed) of every run.
        points_wanted: Points that all runs make together.
    """

    name: str
    key: str
    settings: Mapping[str, Any]
    runs: tuple[tuple[str, int], ...]
    points_wanted: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison of strategies on the images of one project.

    Attributes:
        id: Stable number.
        project_id: The project that holds the images (kind 'simulation').
        name: What it is called on pages.
        key: Hash of settings and data: the same command finds its comparison again.
        settings: As typed: strategies, model, labels, batch, seed_labels, seeds, protocol, recipe, and so on.
        about: Where and with what it ran: device, machine, versions, the recipe in full, what tuning found.
        state: Where it stands; 'running' only while its process lives.
        note: What runs now, or why it failed or stopped, in plain words; may be empty.
        points_done: Points made so far.
        points_wanted: Points there will be.
        created_at: Milliseconds since 1970.
        updated_at: Of the newest change.
    """

    id: int
    project_id: int
    name: str
    key: str
    settings: Mapping[str, Any]
    about: Mapping[str, Any]
    state: ComparisonState
    note: str
    points_done: int
    points_wanted: int
    created_at: int
    updated_at: int
