"""Brings images into a project: from a source, through the one decoder, into shards and then into SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from db import projects, samples, synthetic
from db.crash_points import SHARD_ON_DISK, reach
from db.errors import NoSpace
from db.records import NewSample, NewShard, Project
from db.space import require_quota
from flows.errors import UsageError
from flows.files import new_file
from flows.report import Reporter
from flows.store import Store
from pipeline.data.decode import ImageSpec
from pipeline.data.shards import (
    AlreadyKnown,
    Duplicate,
    Outcome,
    PreparedSample,
    PreparedShard,
    Rejection,
    prepare_shards,
)
from pipeline.data.sources import Source, open_source
from pipeline.data.sources.remote import RemoteSource

SPLITS = ("pool", "validation", "test")
LABEL_POLICIES = ("use", "hide", "ignore")
KNOWN_AT_ONCE = 1000
READERS = 16  # from an object store: what they wait for is the network
MADE = "it was made by a generator: such images may train a model and are never labeled or tested on"


@dataclass(frozen=True, kw_only=True)
class IngestOptions:
    """How images are taken in.

    Attributes:
        split: Where all of them go; None keeps the split that the source gives, else ``pool``.
        labels: What happens to classes that come with pool images: ``use`` makes them labels, ``hide`` keeps them
            for simulations and comparisons alone, ``ignore`` drops them.
        copy: Take the files into the home folder instead of registering them where they lie.
    """

    split: str | None = None
    labels: Literal["use", "hide", "ignore"] = "use"
    copy: bool = False

    def __post_init__(self) -> None:
        if self.split is not None and self.split not in SPLITS:
            raise UsageError(f"expected a split out of {', '.join(SPLITS)}, got {self.split!r}")
        if self.labels not in LABEL_POLICIES:
            raise UsageError(f"expected labels to be {', '.join(LABEL_POLICIES)}, got {self.labels!r}")


@dataclass
class IngestReport:
    """What became of the images of a source.

    Attributes:
        added: New samples.
        already: Images whose content the project has already (an earlier run, the same picture under another name).
        duplicates: Images whose content came twice in this source; kept once.
        labeled: Labels that came with pool images and were used.
        by_split: New samples a split.
        rejected: Name and reason of every image that could not be read.
        notes: How many images were read with a remark (an animation's first frame, a mismatched suffix).
    """

    added: int = 0
    already: int = 0
    duplicates: int = 0
    labeled: int = 0
    by_split: Counter[str] = field(default_factory=Counter)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)

    @property
    def seen(self) -> int:
        """How many images the source held."""
        return self.added + self.already + self.duplicates + len(self.rejected)


def ingest_source(
    store: Store, project_id: int, source: str | Source, options: IngestOptions, reporter: Reporter
) -> IngestReport:
    """Read every image of a source into a project; running it again adds nothing.

    Args:
        store: The open store.
        project_id: Whose images these are.
        source: A path, a name (``digits``, ``mnist``, ...) or a source that is open already.
        options: Split, labels, copy.
        reporter: Receives the progress.

    Raises:
        UsageError: The source is empty, or has classes that the project has not.
        DataError: The source cannot be read at all.
        NoSpace: The project's quota is used up; what was read before stays.
    """
    project = projects.get_project(store.database, store.actor, project_id)
    opened = open_source(source) if isinstance(source, str | Path) else source
    check_source(project, opened, options)
    intake = _Intake(store, project, options)
    for outcome in _prepare(store, project, opened, options, reporter, intake.made):
        intake.take(outcome)
    intake.label_known()
    return intake.report


def check_source(project: Project, source: Source, options: IngestOptions) -> None:
    """Refuse an empty source and classes that the project has not, before anything is written."""
    if len(source) == 0:
        raise UsageError(f"expected images in {source.description}, got none; do: check the path")
    known = {item.name for item in project.classes}
    unknown = [name for name in source.classes if name not in known]
    if unknown and options.labels == "ignore":
        if any(item.split in ("validation", "test") for item in source):
            raise UsageError(
                f"expected classes of project {project.name!r} in the validation and test splits, which keep theirs, "
                f"got {unknown[0]!r}; do: ingest the training images alone, or create the project with these classes"
            )
    elif unknown:
        shown = ", ".join(repr(name) for name in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        raise UsageError(
            f"expected classes of project {project.name!r} ({', '.join(sorted(known))}), got {shown}; "
            "do: add them (borderline project classes NAME add CLASS), or ingest with --labels ignore"
        )


def _prepare(
    store: Store, project: Project, source: Source, options: IngestOptions, reporter: Reporter, made: set[str]
) -> Iterator[Outcome]:
    def known(hashes: Sequence[str]) -> set[str]:
        there = samples.known_hashes(store.database, store.actor, project.id, hashes)
        made.update(synthetic.known_synthetic(store.database, store.actor, project.id, hashes) - there)
        return there | made

    return prepare_shards(
        source,
        ImageSpec(image_size=project.image_size, channels=project.channels),
        store.settings.project_folder(project.id, "shards"),
        known=known,
        workers=max(store.settings.threads, READERS if isinstance(source, RemoteSource) else 1),
        copy_to=store.settings.project_folder(project.id, "originals") if options.copy else None,
        on_progress=lambda done, total: reporter.progress(done, total, "reading images"),
    )


class _Intake:
    """Writes what each outcome says to SQL, and counts it."""

    def __init__(self, store: Store, project: Project, options: IngestOptions) -> None:
        self.report = IngestReport()
        self.made: set[str] = set()  # hashes that came and are those of generated images
        self._store = store
        self._project = project
        self._options = options
        self._known: list[tuple[str, str]] = []

    def take(self, outcome: Outcome) -> None:
        """Take one outcome."""
        if isinstance(outcome, PreparedShard):
            self._register(outcome)
        elif isinstance(outcome, Rejection):
            self.report.rejected.append((outcome.name, outcome.reason))
        elif isinstance(outcome, Duplicate):
            self.report.duplicates += 1
        else:
            self._already(outcome)

    def label_known(self) -> None:
        """Use the classes that came with images which were there already without a label."""
        if self._known:
            store = self._store
            self.report.labeled += samples.label_known(store.database, store.actor, self._project.id, self._known)
            self._known.clear()

    def _already(self, outcome: AlreadyKnown) -> None:
        if outcome.sha256 in self.made:
            self.report.rejected.append((outcome.name, MADE))
            return
        self.report.already += 1
        if self._options.labels == "use" and outcome.known_class is not None:
            self._known.append((outcome.sha256, outcome.known_class))
        if len(self._known) >= KNOWN_AT_ONCE:
            self.label_known()

    def _register(self, shard: PreparedShard) -> None:
        """Write a shard's rows; its files are safely on disk already."""
        store, report = self._store, self.report
        self._require_quota(shard)
        reach(SHARD_ON_DISK)
        rows = [_row(store, sample, self._options) for sample in shard.samples]
        files = NewShard(pixels=new_file(store, shard.pixels), display=new_file(store, shard.display))
        policy = self._options.labels
        registered = samples.register_shard(store.database, store.actor, self._project.id, files, rows, policy)
        report.added += registered.added
        report.already += registered.already
        report.labeled += registered.labeled
        report.by_split.update(row.split for row in rows)
        report.notes.update(note for row in rows for note in row.notes)

    def _require_quota(self, shard: PreparedShard) -> None:
        """Stop before a shard that is too much; those before it are in, and the same command goes on from there."""
        files = (shard.pixels, shard.display)
        store, size = self._store, sum(file.size for file in files)
        try:
            require_quota(store.database, self._project.id, store.settings.project_quota, size)
        except NoSpace:
            for file in files:
                file.path.unlink()
            raise


def _row(store: Store, sample: PreparedSample, options: IngestOptions) -> NewSample:
    return NewSample(
        sha256=sample.sha256,
        name=sample.name,
        row=sample.row,
        width=sample.width,
        height=sample.height,
        display_offset=sample.display_offset,
        display_length=sample.display_length,
        media_type=sample.media_type,
        split=options.split or sample.split,
        known_class=sample.known_class,
        source_path=str(sample.source_path) if sample.source_path and not sample.copied else None,
        copied=new_file(store, sample.copied) if sample.copied else None,
        notes=tuple(sample.notes),
    )
