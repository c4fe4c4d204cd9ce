"""Model versions, and the adversarial copies and pseudo-labels that train the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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
