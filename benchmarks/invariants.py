"""What must be true after any fault, counted by plain SQL and by reading every file, whatever the code thinks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from benchmarks.journal import Read
from benchmarks.labeling_store import DOUBLED, OVER_ASSIGNED
from db import labels
from db.engine import Database
from db.tables import AnnotationEventRow, FileRow, LabelTableRow
from pipeline.errors import FileDamaged
from pipeline.files import check_file


@dataclass
class Found:
    """How often each promise was broken; `what` says it in words."""

    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    over_assigned: int = 0
    bad_hashes: int = 0
    not_rebuilt: int = 0
    what: list[str] = field(default_factory=list)

    @property
    def broken(self) -> int:
        """How many promises were broken in all."""
        return self.lost + self.doubled + self.over_assigned + self.bad_hashes + self.not_rebuilt

    def add(self, other: Found) -> None:
        """Count another store's, too."""
        for name in ("acknowledged", "lost", "doubled", "over_assigned", "bad_hashes", "not_rebuilt"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.what += other.what


def check(database: Database, clients: Read, *, files: bool = False) -> Found:
    """Compare what clients were told with what is stored.

    Args:
        database: The store, with nobody at work any more.
        clients: What their journals say.
        files: Read every file that has a row, too; the stores of some faults have rows of files that never were.
    """
    found = Found(acknowledged=len(clients.acknowledged))
    _answers(database, clients, found)
    _counts(database, found)
    stored = dict(database.read(lambda session: session.execute(_LABELS).tuples().all()))
    rebuilt = labels.rebuild(database)
    found.not_rebuilt = len(stored.items() ^ rebuilt.items())
    if found.not_rebuilt:
        found.what.append(f"labels that events do not give: {found.not_rebuilt}")
    if files:
        _files(database, found)
    return found


_LABELS = select(LabelTableRow.sample_id, LabelTableRow.class_id)
_EVENTS = select(AnnotationEventRow.answer_id, AnnotationEventRow.query_id, AnnotationEventRow.class_id)


def _answers(database: Database, clients: Read, found: Found) -> None:
    statement = _EVENTS.where(AnnotationEventRow.answer_id.is_not(None))
    rows = database.read(lambda session: session.execute(statement).tuples().all())
    stored: dict[Any, tuple[Any, Any]] = {answer: (query, class_id) for answer, query, class_id in rows}
    for answer_id in sorted(clients.acknowledged):
        entry = clients.tried[answer_id]
        if stored.get(answer_id) != (entry.query_id, entry.class_id):
            found.lost += 1
    if found.lost:
        found.what.append(f"acknowledged answers that are not stored as given: {found.lost}")


def _counts(database: Database, found: Found) -> None:
    with database.engine.connect() as connection:
        found.over_assigned = int(connection.execute(text(OVER_ASSIGNED)).scalar_one())
        twice = {what: int(connection.execute(text(sql)).scalar_one()) for what, sql in DOUBLED.items()}
        if database.dialect == "sqlite":
            said = connection.execute(text("PRAGMA integrity_check")).scalar_one()
            if said != "ok":
                found.bad_hashes += 1
                found.what.append(f"SQLite says: {said}")
    found.doubled = sum(twice.values())
    found.what += [f"{what}: {number}" for what, number in twice.items() if number]
    if found.over_assigned:
        found.what.append(f"queries with two people on a slot: {found.over_assigned}")


def _files(database: Database, found: Found) -> None:
    rows = database.read(
        lambda session: session.execute(select(FileRow.path, FileRow.sha256).order_by(FileRow.id)).tuples().all()
    )
    for path, sha256 in rows:
        try:
            check_file(database.home / Path(path), sha256)
        except FileDamaged as error:
            found.bad_hashes += 1
            found.what.append(str(error))
