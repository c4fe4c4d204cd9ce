"""Samples: everything about images. Reading the pool is in db.pool, taking images in is in db.ingest."""

from __future__ import annotations

import numpy as np
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.access import authorize
from db.clock import now
from db.engine import Database
from db.errors import NotFound
from db.ingest import LabelUse, known_hashes, label_known, register_shard
from db.pool import askable, counts, known_classes, labeled, labeled_holdout, pool_index, split_truth
from db.records import Actor, Display, Role
from db.sql import chunks
from db.tables import ClaimRow, FileRow, ProjectRow, QueryRow, SampleRow, ShardRow

__all__ = [
    "LabelUse",
    "counts",
    "delete_sample",
    "display_of",
    "draw_holdout",
    "known_classes",
    "known_hashes",
    "label_known",
    "labeled",
    "labeled_holdout",
    "pool_index",
    "register_shard",
    "split_truth",
]


def draw_holdout(database: Database, actor: Actor, project_id: int) -> int:
    """Draw the holdout from the unlabeled pool, once; returns its size.

    It has `holdout_size` images, a fifth of the unlabeled pool at most; none when a test split has known classes. The
    draw depends on the project's seed and the content hashes alone. While there is nothing to draw from it stays open.

    Raises:
        PermissionDenied: below administrator in the project.
    """

    def work(session: Session) -> int:
        authorize(session, actor, project_id, Role.administrator)
        statement = select(ProjectRow).where(ProjectRow.id == project_id).with_for_update(key_share=True)
        project = session.scalars(statement).one()
        if project.holdout_drawn_at is None:
            _draw(session, project)
        drawn = SampleRow.project_id == project_id, SampleRow.split == "holdout", SampleRow.deleted_at.is_(None)
        return len(session.scalars(select(SampleRow.id).where(*drawn)).all())

    return database.write(work, idempotent=True)


def _draw(session: Session, project: ProjectRow) -> None:
    mine = SampleRow.project_id == project.id, SampleRow.deleted_at.is_(None)
    tested = select(SampleRow.id).where(*mine, SampleRow.split == "test", SampleRow.known_class_id.is_not(None))
    if session.scalars(tested.limit(1)).first() is not None:
        return
    never_asked = ~select(QueryRow.id).where(QueryRow.sample_id == SampleRow.id).exists()
    pool = list(
        session.scalars(select(SampleRow.id).where(*askable(project.id), never_asked).order_by(SampleRow.sha256))
    )
    size = min(project.holdout_size, len(pool) // 5)
    if size == 0:
        return
    drawn = np.random.default_rng(project.seed).choice(np.asarray(pool), size=size, replace=False)
    for part in chunks([int(item) for item in drawn]):
        session.execute(update(SampleRow).where(SampleRow.id.in_(part)).values(split="holdout"))
    project.holdout_drawn_at = now(session)


def display_of(database: Database, actor: Actor, project_id: int, sample_id: int) -> Display:
    """Return where the display image of a sample lies in its pack.

    Raises:
        PermissionDenied: below viewer in the project.
        NotFound: if the project has no such sample, or it was deleted.
    """

    def work(session: Session) -> Display:
        authorize(session, actor, project_id, Role.viewer)
        return find_display(session, project_id, sample_id)

    return database.read(work)


def find_display(session: Session, project_id: int, sample_id: int) -> Display:
    """Return where the display image of a sample lies, inside of a transaction.

    Raises:
        NotFound: if the project has no such sample, or it was deleted.
    """
    statement = (
        select(SampleRow, FileRow.path, FileRow.sha256)
        .join(ShardRow, ShardRow.id == SampleRow.shard_id)
        .join(FileRow, FileRow.id == ShardRow.display_file_id)
        .where(SampleRow.id == sample_id, SampleRow.project_id == project_id, SampleRow.deleted_at.is_(None))
    )
    found = session.execute(statement).one_or_none()
    if found is None:
        raise NotFound(f"expected a sample of this project, got the id {sample_id}; it may have been deleted")
    sample, path, sha256 = found
    return Display(
        path=path,
        offset=sample.display_offset,
        length=sample.display_length,
        media_type=sample.media_type,
        etag=f"{sha256[:16]}-{sample.display_offset}-{sample.display_length}",
    )


def delete_sample(database: Database, actor: Actor, project_id: int, sample_id: int) -> None:
    """Take a sample out of the pool, training and exports; its open queries are withdrawn, its history stays.

    Raises:
        PermissionDenied: below reviewer in the project.
        NotFound: if the project has no such sample, or it was deleted before.
    """

    def work(session: Session) -> None:
        authorize(session, actor, project_id, Role.reviewer)
        asked = select(QueryRow.id).where(QueryRow.sample_id == sample_id, QueryRow.state == "open")
        asked_ids = list(session.scalars(asked.order_by(QueryRow.id).with_for_update(key_share=True)))
        at = now(session)
        mine = SampleRow.id == sample_id, SampleRow.project_id == project_id, SampleRow.deleted_at.is_(None)
        gone = session.scalars(update(SampleRow).where(*mine).values(deleted_at=at).returning(SampleRow.id)).all()
        if not gone:
            raise NotFound(f"expected a sample of this project, got the id {sample_id}; it may have been deleted")
        leased = ClaimRow.query_id.in_(asked_ids), ClaimRow.state == "leased"
        session.execute(update(ClaimRow).where(*leased).values(state="released"))
        session.execute(update(QueryRow).where(QueryRow.id.in_(asked_ids)).values(state="withdrawn", closed_at=at))

    database.write(work)
