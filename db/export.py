"""Streaming reads for exports: labels, votes, tasks and pictures, a few thousand rows in memory at a time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from db.access import authorize
from db.engine import Database
from db.guesses import guesses
from db.records import Actor, LabelEntry, LabelingTask, Picture, Role, VoteEntry
from db.tables import (
    AnnotationRow,
    ClassRow,
    FileRow,
    LabelTableRow,
    QueryRow,
    RoundRow,
    SampleRow,
    ShardRow,
    UserRow,
)
from db.votes import NO_VOTES

T = TypeVar("T")
_SAMPLES_AT_ONCE = 2000
_HAS_LABEL = select(LabelTableRow.id).where(LabelTableRow.sample_id == SampleRow.id).exists()
_OF_A_COPY = select(QueryRow.id).where(QueryRow.id == AnnotationRow.query_id, QueryRow.kind == "copy_check").exists()
_HAS_ANSWER = select(AnnotationRow.id).where(AnnotationRow.sample_id == SampleRow.id, ~_OF_A_COPY).exists()


def labels(
    database: Database, actor: Actor, project_id: int, *, after: int = 0, limit: int | None = None
) -> Iterator[LabelEntry]:
    """Return every label of samples that are there, by sample id.

    Args:
        database: the store.
        actor: who asks.
        project_id: the project.
        after: only of samples with a higher id, for pages.
        limit: at most so many.

    Raises:
        PermissionDenied: below reviewer in the project, at the call.
    """
    ids = _ids(database, actor, project_id, and_(_HAS_LABEL, SampleRow.id > after), limit)
    return _pages(database, ids, lambda session, found: list(_labels_of(session, found).values()))


def votes(database: Database, actor: Actor, project_id: int) -> Iterator[VoteEntry]:
    """Return every annotation of samples that are there, withdrawn ones too, by sample and time.

    What was said of an adversarial copy is not among them: it is about no sample.

    Raises:
        PermissionDenied: below reviewer in the project, at the call.
    """
    return _pages(database, _ids(database, actor, project_id, _HAS_ANSWER), _votes_of)


def tasks(database: Database, actor: Actor, project_id: int) -> Iterator[LabelingTask]:
    """Return every sample that has a label or an answer, with its label, standing votes and the model's guess.

    Raises:
        PermissionDenied: below reviewer in the project, at the call.
    """
    return _pages(database, _ids(database, actor, project_id, or_(_HAS_LABEL, _HAS_ANSWER)), _tasks_of)


def pictures(database: Database, actor: Actor, project_id: int) -> Iterator[tuple[LabelEntry, Picture]]:
    """Return every label with the place of its image's bytes.

    Raises:
        PermissionDenied: below reviewer in the project, at the call.
    """
    return _pages(database, _ids(database, actor, project_id, _HAS_LABEL), _pictures_of)


def class_names(database: Database, actor: Actor, project_id: int) -> tuple[str, ...]:
    """Return the names of the classes that labels have or can have today, by position.

    Raises:
        PermissionDenied: below reviewer in the project.
    """
    used = select(LabelTableRow.id).where(LabelTableRow.class_id == ClassRow.id).exists()
    mine = select(ClassRow.name).where(ClassRow.project_id == project_id, or_(ClassRow.retired_at.is_(None), used))

    def work(session: Session) -> tuple[str, ...]:
        authorize(session, actor, project_id, Role.reviewer)
        return tuple(dict.fromkeys(session.scalars(mine.order_by(ClassRow.position))))

    return database.read(work)


def _ids(
    database: Database, actor: Actor, project_id: int, condition: ColumnElement[bool], limit: int | None = None
) -> NDArray[np.int64]:
    """All ids at once, eight bytes each: finding every page anew would sort the whole project for each."""

    def work(session: Session) -> NDArray[np.int64]:
        authorize(session, actor, project_id, Role.reviewer)
        there = SampleRow.project_id == project_id, SampleRow.deleted_at.is_(None), condition
        statement = select(SampleRow.id).where(*there).order_by(SampleRow.id).limit(limit)
        return np.fromiter(session.scalars(statement.execution_options(yield_per=10_000)), np.int64)

    return database.read(work)


def _pages(
    database: Database, ids: NDArray[np.int64], entries_of: Callable[[Session, Sequence[SampleRow]], Sequence[T]]
) -> Iterator[T]:
    for start in range(0, len(ids), _SAMPLES_AT_ONCE):
        part = ids[start : start + _SAMPLES_AT_ONCE].tolist()
        yield from database.read(partial(_page, part=part, entries_of=entries_of))


def _page(
    session: Session, part: list[int], entries_of: Callable[[Session, Sequence[SampleRow]], Sequence[T]]
) -> Sequence[T]:
    there = select(SampleRow).where(SampleRow.id.in_(part), SampleRow.deleted_at.is_(None)).order_by(SampleRow.id)
    return entries_of(session, session.scalars(there).all())


def _labels_of(session: Session, found: Sequence[SampleRow]) -> dict[int, LabelEntry]:
    ids = [sample.id for sample in found]
    tallies, rounds = _tallies(session, ids), _rounds(session, ids)
    statement = (
        select(LabelTableRow, ClassRow.name)
        .join(ClassRow, ClassRow.id == LabelTableRow.class_id)
        .where(LabelTableRow.sample_id.in_(ids))
    )
    rows = {label.sample_id: (label, name) for label, name in session.execute(statement).tuples()}
    return {
        sample.id: _label(sample, *rows[sample.id], tallies[sample.id], rounds.get(sample.id))
        for sample in found
        if sample.id in rows
    }


def _label(
    sample: SampleRow, label: LabelTableRow, class_name: str, tally: Counter[int], number: int | None
) -> LabelEntry:
    return LabelEntry(
        sample_id=sample.id,
        name=sample.name,
        sha256=sample.sha256,
        split=sample.split,
        class_name=class_name,
        origin=label.origin,
        votes=label.votes,
        agreement=tally[label.class_id] / tally.total() if tally.total() else None,
        round_number=None if label.origin == "imported" else number,
        updated_at=label.updated_at,
        width=sample.width,
        height=sample.height,
    )


def _tallies(session: Session, ids: Sequence[int]) -> dict[int, Counter[int]]:
    """Standing votes by sample and class, a merged class's for the one it counts for today; checks are no votes."""
    into: dict[int, int] = {
        old: new
        for old, new in session.execute(select(ClassRow.id, ClassRow.merged_into_id)).tuples()
        if new is not None
    }
    statement = (
        select(AnnotationRow.sample_id, AnnotationRow.class_id, func.count())
        .join(QueryRow, QueryRow.id == AnnotationRow.query_id)
        .where(AnnotationRow.sample_id.in_(ids), AnnotationRow.withdrawn_at.is_(None))
        .where(AnnotationRow.outcome == "class", QueryRow.kind.not_in(NO_VOTES))
        .group_by(AnnotationRow.sample_id, AnnotationRow.class_id)
    )
    found: dict[int, Counter[int]] = defaultdict(Counter)
    for sample_id, class_id, count in session.execute(statement):
        while class_id in into:
            class_id = into[class_id]
        found[sample_id][class_id] += count
    return found


def _rounds(session: Session, ids: Sequence[int]) -> dict[int, int]:
    """The last round that asked about a sample and closed the question."""
    statement = (
        select(QueryRow.sample_id, func.max(RoundRow.number))
        .join(RoundRow, RoundRow.id == QueryRow.round_id)
        .where(QueryRow.sample_id.in_(ids), QueryRow.state == "closed", QueryRow.kind != "copy_check")
        .group_by(QueryRow.sample_id)
    )
    return dict(session.execute(statement).tuples().all())


def _votes_of(session: Session, found: Sequence[SampleRow]) -> list[VoteEntry]:
    samples = {sample.id: sample for sample in found}
    statement = (
        select(AnnotationRow, UserRow.name, ClassRow.name, QueryRow.kind, RoundRow.number)
        .join(UserRow, UserRow.id == AnnotationRow.user_id)
        .join(QueryRow, QueryRow.id == AnnotationRow.query_id)
        .join(RoundRow, RoundRow.id == QueryRow.round_id)
        .outerjoin(ClassRow, ClassRow.id == AnnotationRow.class_id)
        .where(AnnotationRow.sample_id.in_(samples), QueryRow.kind != "copy_check")
        .order_by(AnnotationRow.sample_id, AnnotationRow.id)
    )
    return [_vote(samples[row[0].sample_id], *row) for row in session.execute(statement).tuples()]


def _vote(
    sample: SampleRow, given: AnnotationRow, annotator: str, class_name: str | None, kind: str, number: int
) -> VoteEntry:
    return VoteEntry(
        annotation_id=given.id,
        sample_id=sample.id,
        name=sample.name,
        sha256=sample.sha256,
        annotator_id=given.user_id,
        annotator=annotator,
        outcome=given.outcome,
        class_name=class_name,
        note=given.note,
        mode=given.mode,
        kind=kind,
        round_number=number,
        latency_ms=given.latency_ms,
        prediction_shown=given.prediction_shown,
        shown=given.shown,
        created_at=given.created_at,
        withdrawn_at=given.withdrawn_at,
    )


def _tasks_of(session: Session, found: Sequence[SampleRow]) -> list[LabelingTask]:
    labels_by_id = _labels_of(session, found)
    standing: dict[int, list[VoteEntry]] = defaultdict(list)
    for vote in _votes_of(session, found):
        if vote.withdrawn_at is None and vote.kind not in NO_VOTES:
            standing[vote.sample_id].append(vote)
    guessed = guesses(session, [sample.id for sample in found])
    return [
        LabelingTask(
            sample_id=sample.id,
            name=sample.name,
            sha256=sample.sha256,
            split=sample.split,
            label=labels_by_id.get(sample.id),
            votes=tuple(standing[sample.id]),
            guess=guessed.get(sample.id),
        )
        for sample in found
    ]


def _pictures_of(session: Session, found: Sequence[SampleRow]) -> list[tuple[LabelEntry, Picture]]:
    entries = _labels_of(session, found)
    shards = {sample.shard_id for sample in found}
    originals = {sample.original_file_id for sample in found if sample.original_file_id is not None}
    of_shard = (
        select(ShardRow.id, FileRow.path)
        .join(FileRow, FileRow.id == ShardRow.display_file_id)
        .where(ShardRow.id.in_(shards))
    )
    packs: dict[int, str] = dict(session.execute(of_shard).tuples().all())
    copied: dict[int | None, str] = dict(
        session.execute(select(FileRow.id, FileRow.path).where(FileRow.id.in_(originals))).tuples().all()
    )
    return [
        (
            entries[sample.id],
            Picture(
                source_path=sample.source_path,
                copied_path=copied.get(sample.original_file_id),
                pack_path=packs[sample.shard_id],
                offset=sample.display_offset,
                length=sample.display_length,
                media_type=sample.media_type,
            ),
        )
        for sample in found
        if sample.id in entries
    ]
