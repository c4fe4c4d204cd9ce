"""Model versions, and the adversarial copies and pseudo-labels that train the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from db.records.rounds import Holdout, Measured, measured_on, measured_on_holdout
from db.records.samples import NewFile


@dataclass(frozen=True, kw_only=True)
class NewModelVersion:
    """A trained classifier; `predictions` are (sample id, class position, probability) of the holdout."""

    file: NewFile
    architecture: str
    recipe: str
    strategy: str
    seed: int
    labels_used: int
    copies_used: int = 0
    synthetic_used: int = 0
    round_id: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    predictions: Sequence[tuple[int, int, float]] = ()


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A model version as stored; `path` is relative to BORDERLINE_HOME."""

    id: int
    project_id: int
    number: int
    round_id: int | None
    path: str
    sha256: str
    size: int
    architecture: str
    recipe: str
    strategy: str
    seed: int
    labels_used: int
    copies_used: int
    synthetic_used: int
    metrics: Mapping[str, Any]
    current: bool
    created_at: int


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """That a version became the one in use: its number, why, by whom (a name) and when; never changed."""

    model_version_id: int
    number: int
    reason: str
    by: str
    at: int


@dataclass(frozen=True, kw_only=True)
class VersionSummary:
    """One line of the list of versions; `choice` is the last time that it became the one in use, None if never."""

    version: ModelVersion
    holdout: Holdout | None
    choice: ModelChoice | None

    @property
    def measured(self) -> Measured | None:
        """How good it is: on the test split, else the holdout, else the validation split that chose its weights."""
        metrics = self.version.metrics
        return measured_on("test", metrics) or measured_on_holdout(self.holdout) or measured_on("validation", metrics)


class MeasuredPoint(NamedTuple):
    """How good a version was: right on `correct` of `total` images, after learning from `labels`."""

    labels: int
    correct: int
    total: int


@dataclass(frozen=True, kw_only=True)
class StoppingFacts:
    """What tells whether more labels are worth it.

    Attributes:
        labels: So far.
        budget: Labels after which no round begins; None without a limit.
        source: The split that `points` were measured on: 'holdout', 'validation' or 'test'; '' without any.
        points: Versions of the newest one's kind (architecture, recipe, classes), oldest first, on the same images.
        changed: Images that the newest of them gets right and the third before it does not, and the other way round;
            None where single predictions are not kept.
        kappas: Agreement of each of them with the version before it on unlabeled images, oldest first.
        seed: Of the project.
    """

    labels: int
    budget: int | None
    source: str
    points: tuple[MeasuredPoint, ...]
    changed: tuple[int, int] | None
    kappas: tuple[float, ...]
    seed: int


class TrainingCopy(NamedTuple):
    """An adversarial copy whose original has a label: row `row` of the float32 array in `path`."""

    path: str
    sha256: str
    row: int
    sample_id: int
    position: int


@dataclass(frozen=True, kw_only=True)
class PseudoLabelFile:
    """Where the pseudo-labels of a round lie: an int64 array (count, 2) of sample ids and class positions."""

    path: str
    sha256: str
    count: int
