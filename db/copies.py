"""Adversarial copies: they train only once their original has a label, which they share (DFAL)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from db import files
from db.clock import now
from db.engine import Database
from db.errors import InvalidInput
from db.locking import lock_round
from db.records import Actor, NewFile, TrainingCopy
from db.sql import chunks, insert_new, integer_table
from db.tables import AdversarialCopyRow, ClassRow, FileRow, LabelTableRow, QueryRow, RoundRow, SampleRow


def record_copies(
    database: Database, actor: Actor, round_id: int, file: NewFile, rows: Sequence[tuple[int, int, float | None]]
) -> int:
    """Record the copies of a round: (sample id, row of the file, distance).

    While the round is being prepared they replace what an interrupted attempt recorded, whose ranking may have been
    another one; once its queries are out the first ones stay.

    Returns:
        How many copies the round has now.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if there is no such round.
        InvalidInput: for samples of another project.
    """

    def work(session: Session) -> int:
        turn = lock_round(session, actor, round_id)
        mine = select(AdversarialCopyRow.id).where(AdversarialCopyRow.round_id == round_id)
        if turn.state == "preparing":
            session.execute(delete(AdversarialCopyRow).where(AdversarialCopyRow.round_id == round_id))
        if rows and session.scalars(mine.limit(1)).first() is None:
            _insert(session, turn, file, rows)
        return len(session.scalars(mine).all())

    return database.write(work, idempotent=True)


def _insert(session: Session, turn: RoundRow, file: NewFile, rows: Sequence[tuple[int, int, float | None]]) -> None:
    _require_samples(session, turn.project_id, [int(sample_id) for sample_id, _, _ in rows])
    file_id = next(iter(files.register(session, turn.project_id, "copies", [file]).values()))
    base = {"round_id": turn.id, "file_id": file_id, "created_at": now(session)}
    for part in chunks(list(rows)):
        values = [
            {**base, "sample_id": int(sample_id), "file_row": int(row), "distance": _finite(distance)}
            for sample_id, row, distance in part
        ]
        insert_new(session, AdversarialCopyRow, values)


def _finite(distance: float | None) -> float | None:
    if distance is None:
        return None
    if not math.isfinite(distance):
        raise InvalidInput(f"expected a finite distance, got {distance}; leave out images that did not flip")
    return float(distance)


def _require_samples(session: Session, project_id: int, ids: Sequence[int]) -> None:
    found = 0
    for part in chunks(list(set(ids))):
        mine = SampleRow.project_id == project_id, SampleRow.id.in_(part)
        found += len(session.scalars(select(SampleRow.id).where(*mine)).all())
    if found != len(ids):
        raise InvalidInput(f"expected {len(ids)} different samples of this project, got {found}; use ids of its pool")


def originals(database: Database, project_id: int, first: int, last: int) -> NDArray[np.int64]:
    """Return the ids of labeled pool samples that rounds asked which made copies, from number `first` to `last`."""
    made = select(AdversarialCopyRow.id).where(AdversarialCopyRow.round_id == QueryRow.round_id)
    statement = (
        select(SampleRow.id)
        .join(QueryRow, QueryRow.sample_id == SampleRow.id)
        .join(RoundRow, RoundRow.id == QueryRow.round_id)
        .join(LabelTableRow, LabelTableRow.sample_id == SampleRow.id)
        .where(SampleRow.project_id == project_id, SampleRow.split == "pool", SampleRow.deleted_at.is_(None))
        .where(QueryRow.kind == "learn", RoundRow.number.between(first, last), made.exists())
        .distinct()
    )
    return database.read(lambda session: integer_table(session, statement.order_by(SampleRow.id), 1)[:, 0].copy())


def copies_for_training(database: Database, project_id: int, last_rounds: int = 3) -> list[TrainingCopy]:
    """Return copies of the last rounds that are out, whose original is in the pool and has a label.

    A sample that was pushed twice (as reserve, then asked again) is there once, by its newest copy.
    """
    out = RoundRow.project_id == project_id, RoundRow.state != "preparing"
    newest = select(func.max(RoundRow.number)).where(*out).scalar_subquery()
    statement = (
        select(FileRow.path, FileRow.sha256, AdversarialCopyRow.row, AdversarialCopyRow.sample_id, ClassRow.position)
        .join(RoundRow, RoundRow.id == AdversarialCopyRow.round_id)
        .join(FileRow, FileRow.id == AdversarialCopyRow.file_id)
        .join(SampleRow, SampleRow.id == AdversarialCopyRow.sample_id)
        .join(LabelTableRow, LabelTableRow.sample_id == SampleRow.id)
        .join(ClassRow, ClassRow.id == LabelTableRow.class_id)
        .where(RoundRow.project_id == project_id, SampleRow.split == "pool", SampleRow.deleted_at.is_(None))
        .where(*out, RoundRow.number > newest - last_rounds)
        .order_by(RoundRow.number, AdversarialCopyRow.row)
    )

    def work(session: Session) -> list[TrainingCopy]:
        found = [TrainingCopy(*row) for row in session.execute(statement)]
        last = {copy.sample_id: copy for copy in found}
        return [copy for copy in found if last[copy.sample_id] is copy]

    return database.read(work)
