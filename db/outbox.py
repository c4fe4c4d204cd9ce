"""The doorbell: written in the transaction it tells of, sent on at least once afterwards. SQL stays the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db import inputs
from db.clock import now
from db.engine import Database
from db.records import OutboxMessage
from db.sql import chunks
from db.tables import OutboxRow


def ring(session: Session, topic: str, project_id: int | None, payload: Mapping[str, Any]) -> None:
    """Leave a message inside of the caller's transaction: nobody hears of what was rolled back."""
    kept = inputs.plain(payload, "a message's payload")
    session.add(OutboxRow(topic=topic, project_id=project_id, payload=kept, created_at=now(session)))


def unsent(database: Database, limit: int = 100) -> list[OutboxMessage]:
    """Return the oldest messages that were not sent yet."""
    statement = select(OutboxRow).where(OutboxRow.sent_at.is_(None)).order_by(OutboxRow.id).limit(limit)

    def work(session: Session) -> list[OutboxMessage]:
        return [
            OutboxMessage(
                id=row.id, topic=row.topic, project_id=row.project_id, payload=row.payload, created_at=row.created_at
            )
            for row in session.scalars(statement)
        ]

    return database.read(work)


def mark_sent(database: Database, ids: Sequence[int]) -> None:
    """Note that messages went out; call it after they did, so that a crash repeats rather than loses them."""

    def work(session: Session) -> None:
        at = now(session)
        for part in chunks(list(ids)):
            still = OutboxRow.id.in_(part), OutboxRow.sent_at.is_(None)
            session.execute(update(OutboxRow).where(*still).values(sent_at=at))

    database.write(work, idempotent=True)
