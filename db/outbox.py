"""The doorbell: written in the transaction it tells of, sent on at least once afterwards. SQL stays the truth.

A message has one carrier. Those of `FOR_PREFECT` become events of Prefect, which starts work by them; all others go to
the project's webhooks (`db.deliveries`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from db import inputs
from db.clock import now
from db.engine import Database
from db.tables import OutboxRow, ScheduleRow

NEW_LABELS = "labels_changed"
FOR_PREFECT = (NEW_LABELS,)


def ring(session: Session, topic: str, project_id: int | None, payload: Mapping[str, Any]) -> None:
    """Leave a message inside of the caller's transaction: nobody hears of what was rolled back."""
    kept = inputs.plain(payload, "a message's payload")
    session.add(OutboxRow(topic=topic, project_id=project_id, payload=kept, created_at=now(session)))


def ring_for_labels(session: Session, project_id: int) -> None:
    """Tell of a new label where a project retrains after so many; one message waits at a time.

    Whether there are enough is looked up by who carries the message: counting in every answer would slow the answers.
    The message that waits is touched, so that one who found too few labels does not drop it with the news of this one.
    """
    counted = ScheduleRow.project_id == project_id, ScheduleRow.trigger == "labels", ScheduleRow.is_on
    if session.scalars(select(ScheduleRow.id).where(*counted).limit(1)).first() is None:
        return
    told = OutboxRow.sent_at.is_(None), OutboxRow.topic == NEW_LABELS, OutboxRow.project_id == project_id
    touched = update(OutboxRow).where(*told).values(created_at=OutboxRow.created_at + 1).returning(OutboxRow.id)
    if not session.scalars(touched).all():
        ring(session, NEW_LABELS, project_id, {})


def waiting(database: Database) -> dict[int, dict[int, int]]:
    """Return the messages that Prefect is to hear of, by project: when each was made or touched (ms), by its id."""
    unsent = select(OutboxRow.project_id, OutboxRow.id, OutboxRow.created_at).where(OutboxRow.sent_at.is_(None))
    unsent = unsent.where(OutboxRow.topic.in_(FOR_PREFECT)).order_by(OutboxRow.id)

    def work(session: Session) -> dict[int, dict[int, int]]:
        found: dict[int, dict[int, int]] = {}
        for project_id, message_id, at in session.execute(unsent):
            found.setdefault(project_id, {})[message_id] = at
        return found

    return database.read(work)


def note_sent(database: Database, ids: Collection[int]) -> None:
    """Mark messages as sent: call it once they are, so that a death in between sends them again."""
    named = OutboxRow.id.in_(ids), OutboxRow.sent_at.is_(None)
    database.write(
        lambda session: session.execute(update(OutboxRow).where(*named).values(sent_at=now(session))), idempotent=True
    )


def drop(database: Database, seen: Mapping[int, int]) -> None:
    """Delete messages that led to nothing, so that they do not pile up while people label.

    Args:
        database: The store.
        seen: When each was made or touched, by its id; one that was touched since stays.
    """

    def work(session: Session) -> None:
        for message_id, at in seen.items():
            named = OutboxRow.id == message_id, OutboxRow.created_at == at, OutboxRow.topic.in_(FOR_PREFECT)
            session.execute(delete(OutboxRow).where(*named))

    database.write(work, idempotent=True)
