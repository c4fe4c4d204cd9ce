"""Read the pool as NumPy arrays: a million rows without a million objects. For flows; the page never calls this."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from db.engine import Database
from db.errors import InvalidInput, NotFound
from db.records import Counts, PoolIndex
from db.sql import chunks, integer_table
from db.tables import (
    AnnotationEventRow,
    AnnotationRow,
    ClaimRow,
    ClassRow,
    FileRow,
    LabelTableRow,
    ProjectRow,
    QueryRow,
    SampleRow,
    ShardRow,
)
from db.votes import is_about_the_image

Ids = NDArray[np.int64]
_SPLITS = ("pool", "holdout", "validation", "test")


def has_label() -> ColumnElement[bool]:
    """Whether the sample of the enclosing statement has a label."""
    return select(LabelTableRow.id).where(LabelTableRow.sample_id == SampleRow.id).exists()


def was_seen() -> ColumnElement[bool]:
    """Whether an answer of any kind but to gold stands for the sample, or a reviewer said that it cannot be used."""
    standing = AnnotationRow.sample_id == SampleRow.id, AnnotationRow.withdrawn_at.is_(None), is_about_the_image()
    refused = _refused().where(AnnotationEventRow.sample_id == SampleRow.id)
    return or_(select(AnnotationRow.id).where(*standing).exists(), refused.exists())


def _refused() -> Select[tuple[int]]:
    """Samples whose newest review says that they cannot be used."""
    later = aliased(AnnotationEventRow)
    newer = later.sample_id == AnnotationEventRow.sample_id, later.kind == "review", later.id > AnnotationEventRow.id
    review = AnnotationEventRow.kind == "review", AnnotationEventRow.outcome == "skip"
    return select(AnnotationEventRow.sample_id).where(*review, ~select(later.id).where(*newer).exists())


def is_set_aside() -> ColumnElement[bool]:
    """Whether people saw the sample and left it without a label (passed, or a tie): it waits for a review."""
    asked = select(QueryRow.id).where(QueryRow.sample_id == SampleRow.id, QueryRow.state == "open")
    return and_(was_seen(), ~asked.exists(), ~has_label())


def askable(project_id: int, split: str = "pool") -> list[ColumnElement[bool]]:
    """Conditions for samples of a split that may be asked: there, without a label, not seen by anybody."""
    return [
        SampleRow.project_id == project_id,
        SampleRow.split == split,
        SampleRow.deleted_at.is_(None),
        ~has_label(),
        ~was_seen(),
    ]


def pool_index(
    database: Database,
    project_id: int,
    *,
    splits: Sequence[str] = ("pool",),
    labeled: bool | None = None,
    set_aside: bool = False,
) -> PoolIndex:
    """Return where the pixels of samples are, by sample id.

    Args:
        database: the store.
        project_id: the project.
        splits: of 'pool', 'holdout', 'validation', 'test'.
        labeled: True for samples with a label, False for those without, None for all.
        set_aside: with `labeled=False`, whether to include samples that people saw and left without
            a label (passed, tied, or waiting for a second vote); they are not asked in another round.

    Raises:
        NotFound: if there is no such project.
        InvalidInput: for an unknown split.
    """
    if unknown := sorted(set(splits) - set(_SPLITS)):
        raise InvalidInput(f"expected splits of {', '.join(_SPLITS)}, got {unknown}; name some of them")

    def work(session: Session) -> PoolIndex:
        _require(session, project_id)
        statement = select(SampleRow.id, SampleRow.shard_id, SampleRow.row)
        mine = statement.where(*_live(project_id), SampleRow.split.in_(splits))
        if labeled:  # thousands of labels, joined, instead of millions of samples, fetched
            mine = mine.join(LabelTableRow, LabelTableRow.sample_id == SampleRow.id)
        table = integer_table(session, mine.order_by(SampleRow.id), 3)
        if labeled is False:
            table = table[~_is_labeled(session, project_id, table[:, 0])]
        if labeled is False and not set_aside:
            table = table[~_was_seen(session, project_id, table[:, 0])]
        return _index(session, project_id, table)

    return database.read(work)


def _is_labeled(session: Session, project_id: int, ids: Ids) -> NDArray[np.bool_]:
    """People label thousands out of millions: to fetch what is labeled and compare here beats a million look-ups."""
    labels = select(LabelTableRow.sample_id).where(LabelTableRow.project_id == project_id)
    return np.isin(ids, integer_table(session, labels, 1)[:, 0])


def _was_seen(session: Session, project_id: int, ids: Ids) -> NDArray[np.bool_]:
    standing = AnnotationRow.project_id == project_id, AnnotationRow.withdrawn_at.is_(None), is_about_the_image()
    answered = integer_table(session, select(AnnotationRow.sample_id).where(*standing), 1)[:, 0]
    refused = _refused().where(AnnotationEventRow.project_id == project_id)
    return np.isin(ids, np.concatenate([answered, integer_table(session, refused, 1)[:, 0]]))


def labeled(database: Database, project_id: int) -> tuple[Ids, Ids]:
    """Return (sample ids, class positions), both int64 (N,), of the pool's labels: what models learn from."""
    return _labels_of(database, project_id, "pool")


def labeled_holdout(database: Database, project_id: int) -> tuple[Ids, Ids]:
    """Return (sample ids, class positions) of the holdout's labels; never trained on."""
    return _labels_of(database, project_id, "holdout")


def split_truth(database: Database, project_id: int, split: str) -> tuple[Ids, Ids]:
    """Return (sample ids, class positions) of a validation or test split's known classes.

    Raises:
        InvalidInput: for another split, whose classes are not known beforehand.
    """
    if split not in ("validation", "test"):
        raise InvalidInput(f"expected 'validation' or 'test', got {split!r}; labels of the pool are in labeled()")
    known = SampleRow.known_class_id == ClassRow.id
    statement = (
        select(SampleRow.id, ClassRow.position)
        .join(ClassRow, known)
        .where(*_live(project_id), SampleRow.split == split)
    )
    return _pairs(database, project_id, statement)


def known_classes(database: Database, project_id: int, ids: Ids | Sequence[int]) -> dict[int, int]:
    """Return sample id -> class position for samples whose class came with them, hidden or not. For `simulate`."""

    def work(session: Session) -> dict[int, int]:
        _require(session, project_id)
        known = SampleRow.known_class_id == ClassRow.id
        base = select(SampleRow.id, ClassRow.position).join(ClassRow, known).where(SampleRow.project_id == project_id)
        parts = chunks([int(item) for item in ids])
        return {item: place for part in parts for item, place in session.execute(base.where(SampleRow.id.in_(part)))}

    return database.read(work)


def counts(database: Database, project_id: int) -> Counts:
    """Count a project's samples by split, its labels and its open queries."""
    return database.read(lambda session: count(session, project_id))


def count(session: Session, project_id: int) -> Counts:
    """Count inside of a transaction."""
    _require(session, project_id)
    by_split = select(SampleRow.split, func.count()).where(*_live(project_id)).group_by(SampleRow.split)
    sizes = dict(session.execute(by_split).tuples().all())
    made = by_split.join(LabelTableRow, LabelTableRow.sample_id == SampleRow.id)
    labels = dict(session.execute(made.where(LabelTableRow.project_id == project_id)).tuples().all())
    pool, holdout = (labels.get(split, 0) for split in ("pool", "holdout"))
    seen = select(AnnotationRow.sample_id).where(AnnotationRow.project_id == project_id)
    touched = seen.union(_refused().where(AnnotationEventRow.project_id == project_id))
    aside = select(func.count()).where(*_live(project_id), SampleRow.id.in_(touched), is_set_aside())
    still = QueryRow.project_id == project_id, QueryRow.state == "open", QueryRow.kind != "copy_check"
    asked = select(func.count(QueryRow.id)).where(*still)
    leased = select(ClaimRow.id).where(ClaimRow.query_id == QueryRow.id, ClaimRow.state == "leased")
    return Counts(
        **{split: sizes.get(split, 0) for split in _SPLITS},
        labels=pool + holdout,
        labeled_pool=pool,
        labeled_holdout=holdout,
        set_aside=session.scalars(aside).one(),
        open=session.scalars(asked).one(),
        claimed=session.scalars(asked.where(leased.exists())).one(),
    )


def count_labels(session: Session, project_id: int) -> int:
    """Count the labels of pool and holdout alone, inside of a transaction: what a budget is held against."""
    found = select(func.count(LabelTableRow.id)).join(SampleRow, SampleRow.id == LabelTableRow.sample_id)
    mine = LabelTableRow.project_id == project_id, *_live(project_id), SampleRow.split.in_(("pool", "holdout"))
    return session.scalars(found.where(*mine)).one()


def _labels_of(database: Database, project_id: int, split: str) -> tuple[Ids, Ids]:
    statement = (
        select(SampleRow.id, ClassRow.position)
        .join(LabelTableRow, LabelTableRow.sample_id == SampleRow.id)
        .join(ClassRow, ClassRow.id == LabelTableRow.class_id)
        .where(*_live(project_id), SampleRow.split == split)
    )
    return _pairs(database, project_id, statement)


def _pairs(database: Database, project_id: int, statement: Select[tuple[int, int]]) -> tuple[Ids, Ids]:
    def work(session: Session) -> Ids:
        _require(session, project_id)
        return integer_table(session, statement.order_by(SampleRow.id), 2)

    table = database.read(work)
    return table[:, 0].copy(), table[:, 1].copy()


def _live(project_id: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return SampleRow.project_id == project_id, SampleRow.deleted_at.is_(None)


def _require(session: Session, project_id: int) -> None:
    live = select(ProjectRow.id).where(ProjectRow.id == project_id, ProjectRow.deleted_at.is_(None))
    if session.scalars(live).one_or_none() is None:
        raise NotFound(f"expected a project, got the id {project_id} of none; see the list of projects")


def _index(session: Session, project_id: int, table: Ids) -> PoolIndex:
    used, places = np.unique(table[:, 1], return_inverse=True)
    pixels = aliased(FileRow)
    statement = select(ShardRow.id, pixels.path, pixels.sha256).join(pixels, pixels.id == ShardRow.pixels_file_id)
    found = {
        item: (path, sha) for item, path, sha in session.execute(statement.where(ShardRow.project_id == project_id))
    }
    return PoolIndex(
        ids=table[:, 0].copy(),
        shard=places.astype(np.int32),
        row=table[:, 2].astype(np.int32),
        paths=[found[int(item)][0] for item in used],
        shas=[found[int(item)][1] for item in used],
    )
