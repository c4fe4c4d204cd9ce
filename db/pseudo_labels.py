"""Pseudo-labels: images that a round's model was sure of; they train the next model alone (CEAL)."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db import files, inputs
from db.clock import now
from db.engine import Database
from db.locking import lock_round
from db.records import Actor, NewFile, PseudoLabelFile
from db.tables import FileRow, PseudoLabelRow, RoundRow


def record(database: Database, actor: Actor, round_id: int, file: NewFile | None, count: int = 0) -> int:
    """Record the file of a round's pseudo-labels: an int64 array (count, 2) of sample ids and class positions.

    While the round is being prepared it replaces what an interrupted attempt recorded; once the round's queries are
    out the first one stays.

    Args:
        database: the store.
        actor: the acting user.
        round_id: the round whose model made them.
        file: the array, safely on disk; None says that this attempt has none.
        count: how many there are, 1 or more with a file.

    Returns:
        How many pseudo-labels the round has now.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if there is no such round.
        InvalidInput: for a count that does not fit the file.
    """

    def work(session: Session) -> int:
        turn = lock_round(session, actor, round_id)
        if turn.state == "preparing":
            session.execute(delete(PseudoLabelRow).where(PseudoLabelRow.round_id == round_id))
            if file is not None:
                _insert(session, turn, file, count)
        mine = select(PseudoLabelRow.count).where(PseudoLabelRow.round_id == round_id)
        return session.scalars(mine).one_or_none() or 0

    return database.write(work, idempotent=True)


def _insert(session: Session, turn: RoundRow, file: NewFile, count: int) -> None:
    count = inputs.integer(count, "a number of pseudo-labels", 1, 2**31 - 1)
    file_id = next(iter(files.register(session, turn.project_id, "pseudo_labels", [file]).values()))
    session.add(PseudoLabelRow(round_id=turn.id, file_id=file_id, count=count, created_at=now(session)))
    session.flush()


def for_training(database: Database, project_id: int) -> PseudoLabelFile | None:
    """Return the pseudo-labels of the newest round that is out; None if it has none, whatever older rounds had."""
    out = RoundRow.project_id == project_id, RoundRow.state != "preparing"
    newest = select(RoundRow.id).where(*out).order_by(RoundRow.number.desc()).limit(1).scalar_subquery()
    statement = (
        select(FileRow.path, FileRow.sha256, PseudoLabelRow.count)
        .join(PseudoLabelRow, PseudoLabelRow.file_id == FileRow.id)
        .where(PseudoLabelRow.round_id == newest)
    )

    def work(session: Session) -> PseudoLabelFile | None:
        found = session.execute(statement).one_or_none()
        return None if found is None else PseudoLabelFile(path=found.path, sha256=found.sha256, count=found[2])

    return database.read(work)
