"""Labels and votes as they leave the store, and labels as they come in from a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_DISTINCT_REASONS = 1000
_PLACES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelEntry:
    """One label. `agreement` is the share of standing votes for it (None without votes), times are ms since 1970.

    `synthetic`: no photo but an image made by the generator version of that number; then the id is negative.
    """

    sample_id: int
    name: str
    sha256: str
    split: str
    class_name: str
    origin: str
    votes: int
    agreement: float | None
    round_number: int | None
    updated_at: int
    width: int
    height: int
    synthetic: bool = False
    generator_version: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class VoteEntry:
    """One annotation, withdrawn ones too; `kind` is the query's, `shown` what else was seen before answering."""

    annotation_id: int
    sample_id: int
    name: str
    sha256: str
    annotator_id: int
    annotator: str
    outcome: str
    class_name: str | None
    note: str
    mode: str
    kind: str
    round_number: int
    latency_ms: int | None
    prediction_shown: bool
    shown: Mapping[str, Any] | None
    created_at: int
    withdrawn_at: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Guess:
    """What a model version said about a sample; `score` is its probability where that is known."""

    class_name: str
    model_version: str
    score: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelingTask:
    """A sample with all that is known of it: its label, its standing votes, the model's guess."""

    sample_id: int
    name: str
    sha256: str
    split: str
    label: LabelEntry | None
    votes: tuple[VoteEntry, ...]
    guess: Guess | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """Where an image's bytes are: the file it came from, the copy taken in, the display image (a slice of a pack).

    Paths of the copy and the pack are relative to BORDERLINE_HOME.
    """

    source_path: str | None
    copied_path: str | None
    pack_path: str
    offset: int
    length: int
    media_type: str


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What was written: rows (labels, votes or tasks) and, in folders, images by where their bytes came from."""

    what: str
    format: str
    path: Path
    rows: int
    images: Mapping[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenLabel:
    """A class that a file gives to an image, named by content hash, by id or by name; `place` says where in the file.

    `fallback` lets the next way to find the image be tried when a hash is not known: a copy may be encoded anew.
    """

    place: str
    class_name: str
    sha256: str | None = None
    other_sha256: str | None = None
    sample_id: int | None = None
    name: str | None = None
    fallback: bool = False


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A reason to refuse, how often it came, and the first places."""

    reason: str
    count: int
    places: tuple[str, ...]


class Problems:
    """Reasons to refuse, each kept once; bounded, however bad the file is."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._places: dict[str, list[str]] = {}

    def add(self, reason: str, place: str) -> None:
        """Note one."""
        if reason not in self._counts and len(self._counts) >= _DISTINCT_REASONS:
            reason = "more reasons of other kinds"
        self._counts[reason] += 1
        places = self._places.setdefault(reason, [])
        if len(places) < _PLACES:
            places.append(place)

    @property
    def total(self) -> int:
        """How many rows were refused."""
        return self._counts.total()

    def listed(self) -> tuple[Problem, ...]:
        """The reasons, the most frequent first."""
        found = self._counts.most_common()
        return tuple(Problem(reason=text, count=count, places=tuple(self._places[text])) for text, count in found)


@dataclass(frozen=True, kw_only=True)
class GivenLabels:
    """What a file says. `ignored` counts what is read and not imported, such as a model's predictions."""

    format: str
    labels: list[GivenLabel] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    problems: Problems = field(default_factory=Problems)


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What became of a file of labels: new ones, those that were the same already, and people's that were replaced.

    `refused` is empty unless it was a dry run: an import with problems changes nothing and raises them.
    """

    format: str
    imported: int
    same: int
    replaced: int
    refused: tuple[Problem, ...]
    ignored: Mapping[str, int]
    dry_run: bool
