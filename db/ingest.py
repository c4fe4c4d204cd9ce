"""Take images into a project: fast, idempotent by content hash, a thousand rows a transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db import files, inputs
from db.access import authorize
from db.clock import now
from db.engine import Database
from db.errors import InvalidInput
from db.imports import label_samples
from db.records import Actor, NewSample, NewShard, Registered, Role
from db.sql import BATCH, among, chunks, insert_new
from db.synthetic_guard import refuse_synthetic
from db.tables import ClassRow, ProjectRow, SampleRow, ShardRow

LabelUse = Literal["use", "hide", "ignore"]
_SPLITS = ("pool", "validation", "test")


def register_shard(
    database: Database,
    actor: Actor,
    project_id: int,
    shard: NewShard,
    samples: Sequence[NewSample],
    labels: LabelUse = "use",
) -> Registered:
    """Register a shard that is on disk and its samples; doing it twice adds nothing.

    Args:
        database: the store.
        actor: the acting user.
        project_id: the project that takes the images.
        shard: files of pixels and display images.
        samples: rows of the shard; the first of equal hashes is kept.
        labels: what becomes of known classes of pool images: 'use' makes labels, 'hide' keeps them for `simulate`
            and `compare`, 'ignore' drops them. Validation and test images always keep theirs.

    Raises:
        PermissionDenied: below administrator in the project.
        InvalidInput: for an unknown class, split or path, or (with the thousand that it comes
            with) an image that a generator made; nothing is registered then.
    """
    if labels not in ("use", "hide", "ignore"):
        raise InvalidInput(f"expected labels 'use', 'hide' or 'ignore', got {labels!r}; choose one")

    def begin(session: Session) -> tuple[int, dict[str, int]]:
        authorize(session, actor, project_id, Role.administrator)
        classes = _classes(session, project_id)
        _check(samples, classes, labels)
        return _shard_id(session, project_id, shard), classes

    shard_id, classes = database.write(begin, idempotent=True)
    added = labeled = 0
    for part in chunks(samples, BATCH):

        def step(session: Session, part: Sequence[NewSample] = part) -> tuple[int, int]:
            authorize(session, actor, project_id, Role.administrator)
            return _register(session, actor, project_id, shard_id, part, labels, classes)

        new, marked = database.write(step, idempotent=True)
        added, labeled = added + new, labeled + marked
    return Registered(added=added, labeled=labeled, already=len(samples) - added)


def known_hashes(database: Database, actor: Actor, project_id: int, hashes: Sequence[str]) -> set[str]:
    """Return which of the hashes the project has, deleted samples included: they do not come back by themselves.

    Raises:
        PermissionDenied: below viewer in the project.
    """

    def work(session: Session) -> set[str]:
        authorize(session, actor, project_id, Role.viewer)
        return {sha for part in chunks(list(hashes)) for sha in _ids(session, project_id, part)}

    return database.read(work)


def label_known(database: Database, actor: Actor, project_id: int, known: Sequence[tuple[str, str]]) -> int:
    """Make labels from (sha256, class name) of samples that are there and have none; returns how many.

    Also for `--labels use` on images that came before with `hide` or `ignore`. What people answered stays.

    Raises:
        PermissionDenied: below administrator in the project.
        InvalidInput: for an unknown class.
    """

    def step(session: Session, part: Sequence[tuple[str, str]]) -> int:
        authorize(session, actor, project_id, Role.administrator)
        classes = _classes(session, project_id)
        wanted = {sha: _class_id(classes, name) for sha, name in part}
        found = _ids(session, project_id, list(wanted))
        for sha, sample_id in found.items():
            changed = {"known_class_id": wanted[sha], "known_hidden": False}
            session.execute(update(SampleRow).where(SampleRow.id == sample_id).values(changed))
        return label_samples(session, actor, project_id, {found[sha]: wanted[sha] for sha in found})

    return sum(database.write(partial(step, part=part), idempotent=True) for part in chunks(list(known)))


def _check(samples: Sequence[NewSample], classes: Mapping[str, int], labels: LabelUse) -> None:
    for sample in samples:
        inputs.sha256(sample.sha256)
        if sample.split not in _SPLITS:
            raise InvalidInput(f"expected a split of {', '.join(_SPLITS)}, got {sample.split!r}; name one of them")
        if sample.known_class is not None and (labels != "ignore" or sample.split != "pool"):
            _class_id(classes, sample.known_class)


def _classes(session: Session, project_id: int) -> dict[str, int]:
    statement = select(ClassRow.name, ClassRow.id).where(
        ClassRow.project_id == project_id, ClassRow.retired_at.is_(None)
    )
    return dict(session.execute(statement).tuples().all())


def _class_id(classes: Mapping[str, int], name: str) -> int:
    if name not in classes:
        shown = ", ".join(map(repr, list(classes)[:20]))
        raise InvalidInput(
            f"expected one of the project's classes ({shown}), got {name!r:.120}; add it or leave it out"
        )
    return classes[name]


def _shard_id(session: Session, project_id: int, shard: NewShard) -> int:
    pixels = files.register(session, project_id, "pixels", [shard.pixels])
    display = files.register(session, project_id, "display", [shard.display])
    row = {
        "project_id": project_id,
        "pixels_file_id": next(iter(pixels.values())),
        "display_file_id": next(iter(display.values())),
        "created_at": now(session),
    }
    insert_new(session, ShardRow, [row])
    return session.scalars(select(ShardRow.id).where(ShardRow.pixels_file_id == row["pixels_file_id"])).one()


def _register(
    session: Session,
    actor: Actor,
    project_id: int,
    shard_id: int,
    part: Sequence[NewSample],
    labels: LabelUse,
    classes: Mapping[str, int],
) -> tuple[int, int]:
    before = _ids(session, project_id, [sample.sha256 for sample in part])
    fresh = {sample.sha256: sample for sample in reversed(part) if sample.sha256 not in before}
    refuse_synthetic(session, fresh.values())
    originals = files.register(session, project_id, "original", [item.copied for item in fresh.values() if item.copied])
    at = now(session)
    base = {"project_id": project_id, "shard_id": shard_id, "created_at": at}
    rows = [{**base, **_columns(sample, labels, classes, originals)} for sample in reversed(fresh.values())]
    insert_new(session, SampleRow, rows)
    mine = select(SampleRow.sha256, SampleRow.id).where(
        SampleRow.shard_id == shard_id, among(session, SampleRow.sha256, fresh)
    )
    ids = dict(session.execute(mine).tuples().all())
    marked = {
        sample_id: _class_id(classes, known)
        for sha, sample_id in ids.items()
        if labels == "use" and fresh[sha].split == "pool" and (known := fresh[sha].known_class) is not None
    }
    if any(fresh[sha].split == "pool" for sha in ids):
        finished = update(ProjectRow).where(ProjectRow.id == project_id, ProjectRow.state == "finished")
        session.execute(finished.values(state="active"))
    return len(ids), label_samples(session, actor, project_id, marked)


def _columns(
    sample: NewSample, labels: LabelUse, classes: Mapping[str, int], originals: Mapping[str, int]
) -> dict[str, Any]:
    keep = sample.known_class is not None and (labels != "ignore" or sample.split != "pool")
    return {
        "sha256": sample.sha256,
        "name": inputs.file_name(sample.name),
        "split": sample.split,
        "known_class_id": classes[sample.known_class] if keep and sample.known_class is not None else None,
        "known_hidden": labels == "hide" and sample.split == "pool",
        "shard_row": sample.row,
        "display_offset": sample.display_offset,
        "display_length": sample.display_length,
        "media_type": sample.media_type,
        "width": sample.width,
        "height": sample.height,
        "source_path": inputs.file_name(sample.source_path) if sample.source_path is not None else None,
        "original_file_id": originals[inputs.relative_path(sample.copied.path)] if sample.copied else None,
        "notes": json.dumps(list(sample.notes)) if sample.notes else "",
    }


def _ids(session: Session, project_id: int, hashes: Sequence[str]) -> dict[str, int]:
    statement = select(SampleRow.sha256, SampleRow.id).where(
        SampleRow.project_id == project_id, among(session, SampleRow.sha256, hashes)
    )
    return dict(session.execute(statement).tuples().all())
