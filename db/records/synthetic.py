"""Synthetic samples: what makers of images made, what the gate said, what people decided, and what may train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from db.records.samples import NewFile

GeneratorKind = Literal["gan", "translation", "custom"]
SyntheticState = Literal["candidate", "accepted", "rejected"]
SyntheticVerdict = Literal["accepted", "rejected"]


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCandidate:
    """One image that was made.

    Attributes:
        row: Of the array file.
        position: Position of the class that it is meant to show.
        sha256: Of the bytes of its display image.
        pixels_sha256: Of the array's row, as `pipeline.data` hashes a row of an array.
        display_offset: Where its display image starts in the pack, in bytes.
        display_length: Its length.
        nearest_sample_id: The real image it is most like (in the gate's features), None where it was not looked for.
        nearest_distance: How far that one is.
    """

    row: int
    position: int
    sha256: str
    pixels_sha256: str
    display_offset: int
    display_length: int
    nearest_sample_id: int | None = None
    nearest_distance: float | None = None


@dataclass(frozen=True, kw_only=True)
class NewCandidates:
    """Images in one file: a uint8 array (count, C, S, S) on disk, and the pack of PNG files that people see."""

    file: NewFile
    display: NewFile
    rows: Sequence[NewCandidate]


@dataclass(frozen=True, kw_only=True)
class NewGeneratorVersion:
    """A trained maker whose file is on disk, with what it made.

    Attributes:
        key: Names the attempt, the same each time it is run again, such as 'round 4 gan': what is recorded first stays.
        kind: 'gan', 'translation' or 'custom'.
        file: Its weights.
        recipe: `repr` of the recipe.
        seed: Of its training.
        labels_used: Labels that it learned from.
        pool_count: Unlabeled images that it learned from.
        pool_sha256: Hash of their ids, None without any.
        round_id: The round it was made in, None outside of one.
        metrics: What its training measured.
        candidates: What it made; a file each.
    """

    key: str
    kind: GeneratorKind
    file: NewFile
    recipe: str
    seed: int
    labels_used: int
    pool_count: int = 0
    pool_sha256: str | None = None
    round_id: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    candidates: Sequence[NewCandidates] = ()


@dataclass(frozen=True, kw_only=True)
class GeneratorVersion:
    """A generator version as stored; `path` is relative to BORDERLINE_HOME, `made` counts its images by class id."""

    id: int
    project_id: int
    number: int
    key: str
    kind: str
    round_id: int | None
    round_number: int | None
    path: str
    sha256: str
    size: int
    recipe: str
    seed: int
    labels_used: int
    pool_count: int
    pool_sha256: str | None
    metrics: Mapping[str, Any]
    made: Mapping[int, int]
    created_at: int


@dataclass(frozen=True, kw_only=True)
class NewGateDecision:
    """What the gate says of a class's images: `pipeline.augmentation.records.Decision` with plain mappings.

    Attributes:
        position: Position of the class.
        verdict: 'accepted' or 'refused'.
        weight: What an image counts beside a real one, above 0 and at most 1; 0 when refused.
        reason: One sentence for people.
        real: Real labeled images of the class that trained.
        made: Images that were judged.
        checks: Each figure with 'name', 'value', 'reference', 'low', 'high', 'passed'.
        test: The paired test's figures, None when a check refused before it.
    """

    position: int
    verdict: Literal["accepted", "refused"]
    weight: float
    reason: str
    real: int
    made: int
    checks: Sequence[Mapping[str, Any]] = ()
    test: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class GateDecision:
    """A decision of the gate as stored. `class_id` is the class it was made for, in use today or not."""

    id: int
    generator_version_id: int
    class_id: int
    verdict: str
    weight: float
    reason: str
    real: int
    made: int
    checks: Sequence[Mapping[str, Any]]
    test: Mapping[str, Any] | None
    created_at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SyntheticSample:
    """A synthetic sample as people see it. `against_gate`: a person decided otherwise than the gate did."""

    id: int
    generator_version_id: int
    class_id: int
    row: int
    state: str
    weight: float
    decided_by: str | None
    decider: str | None
    decided_at: int | None
    against_gate: bool
    nearest_sample_id: int | None
    nearest_distance: float | None


@dataclass(frozen=True, kw_only=True)
class SyntheticEvent:
    """One decision in the history, by the gate or by a person; `sample_ids` None is the whole class."""

    id: int
    generator_version_id: int
    class_id: int
    verdict: str
    decided_by: str
    user: str
    against_gate: bool
    weight: float
    changed: int
    sample_ids: tuple[int, ...] | None
    note: str
    created_at: int


@dataclass(frozen=True, kw_only=True)
class SyntheticGroup:
    """The images of one class by one generator version, counted by state, with what the gate said (None: nothing)."""

    version: GeneratorVersion
    class_id: int
    class_name: str
    candidate: int
    accepted: int
    rejected: int
    decision: GateDecision | None


@dataclass(frozen=True, kw_only=True)
class SyntheticCounts:
    """How many synthetic samples a project has; they are no labels and count among none."""

    candidate: int = 0
    accepted: int = 0
    rejected: int = 0


class TrainingSynthetic(NamedTuple):
    """An accepted image: row `row` of the uint8 array in `path`, its class, and what it counts beside a real one."""

    path: str
    sha256: str
    row: int
    synthetic_id: int
    position: int
    weight: float
    generator_number: int
