"""Numbers for whoever looks after Borderline, as of one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class ProjectFigures:
    """One live labeling project.

    Attributes:
        id: Its id; names are data and may be anything.
        labels: Samples that have a label.
        open_queries: Queries that wait for answers, the reserve included.
        live_claims: Queries that somebody holds now.
        rounds: How many were begun, ever.
        preparation_ms: From the beginning of the newest round that was opened to its first question.
        validation_accuracy: Of the current model version, where it was measured.
        model_made_at: When that version was made.
    """

    id: int
    labels: int = 0
    open_queries: int = 0
    live_claims: int = 0
    rounds: int = 0
    preparation_ms: int | None = None
    validation_accuracy: float | None = None
    model_made_at: int | None = None


@dataclass(frozen=True, kw_only=True)
class SilentJob:
    """A running job and for how long (ms) its heart has not beaten."""

    project_id: int | None
    kind: str
    silent_ms: int


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The store's numbers. `jobs` counts by kind and state, `deliveries` by state; `unsent_ms` is the oldest message's.

    `at` is the database's time, `last_backup_at` when the newest backup that succeeded was done (None: there is none).
    """

    at: int
    projects: tuple[ProjectFigures, ...]
    jobs: Mapping[tuple[str, str], int] = field(default_factory=dict)
    running: tuple[SilentJob, ...] = ()
    last_backup_at: int | None = None
    unsent_ms: int = 0
    deliveries: Mapping[str, int] = field(default_factory=dict)
