"""From the outbox to addresses: messages are spread over webhooks, leased to a sender, tried again, given up.

At least once: a sender that dies leaves its lease, and the message goes out again under the same id.
"""

from __future__ import annotations

import random

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from db.access import authorize
from db.clock import now
from db.engine import Database
from db.errors import NotFound
from db.outbox import FOR_PREFECT
from db.records import Actor, Delivery, Parcel, Role
from db.sql import chunks, insert_new
from db.tables import OutboxRow, WebhookDeliveryRow, WebhookRow

ATTEMPTS = 10
SHARE = 4  # deliveries of one webhook at a time: an address that hangs does not hold up the others
LEASE_MS = 120_000  # longer than any sending takes
_MINUTE = 60_000
WAITS_MS = tuple(_MINUTE * minutes for minutes in (1, 5, 15, 60, 120, 240, 480, 720, 720))
KEEP_MS = 30 * 24 * 60 * _MINUTE
NAMES = {"round_complete": "round.completed"}  # the doorbell's topics as receivers know them
_AT_ONCE = 500
_JITTER = random.SystemRandom()
_UNSENT = OutboxRow.sent_at.is_(None), OutboxRow.topic.not_in(FOR_PREFECT)


def spread(database: Database) -> int:
    """Turn unsent messages into one delivery for each webhook that wants them, and mark them sent; returns how many.

    Messages that nobody wants are only marked. Two that do it at once do it once: rows are locked, and the pair of
    webhook and message is unique.
    """
    unsent = select(OutboxRow.id).where(*_UNSENT).limit(1)
    if database.read(lambda session: session.scalars(unsent).first()) is None:
        return 0
    return database.write(_spread, idempotent=True)


def _spread(session: Session) -> int:
    waiting = select(OutboxRow).where(*_UNSENT).order_by(OutboxRow.id).limit(_AT_ONCE)
    messages = session.scalars(waiting.with_for_update(skip_locked=True)).all()
    projects = {message.project_id for message in messages if message.project_id is not None}
    live = WebhookRow.project_id.in_(projects), WebhookRow.disabled_at.is_(None)
    hooks = session.scalars(select(WebhookRow).where(*live)).all()
    at = now(session)
    base = {"state": "pending", "attempt": 0, "next_at": at, "error": "", "created_at": at}
    rows = [
        {"webhook_id": hook.id, "outbox_id": message.id, **base}
        for message in messages
        for hook in hooks
        if _wants(hook, message)
    ]
    for part in chunks(rows):
        insert_new(session, WebhookDeliveryRow, part)
    ids = [message.id for message in messages]
    session.execute(update(OutboxRow).where(OutboxRow.id.in_(ids)).values(sent_at=at))
    return len(rows)


def _wants(hook: WebhookRow, message: OutboxRow) -> bool:
    """A webhook hears of what happened since it was added."""
    topic = NAMES.get(message.topic, message.topic)
    mine = hook.project_id == message.project_id and hook.created_at <= message.created_at
    return mine and topic in hook.topics.split(",")


def lease(database: Database, limit: int = 16, only: int | None = None) -> list[Parcel]:
    """Take deliveries that are due, so that no other sender has them for two minutes; the oldest first.

    Args:
        database: The store.
        limit: How many at most.
        only: The id of the one delivery wanted.
    """

    def due(session: Session) -> list[int]:
        waiting = [WebhookDeliveryRow.state == "pending", WebhookDeliveryRow.next_at <= now(session)]
        if only is not None:
            waiting.append(WebhookDeliveryRow.id == only)
        place = func.row_number().over(partition_by=WebhookDeliveryRow.webhook_id, order_by=WebhookDeliveryRow.next_at)
        each = (
            select(WebhookDeliveryRow.id, WebhookDeliveryRow.next_at, place.label("place")).where(*waiting).subquery()
        )
        first = select(each.c.id).where(each.c.place <= SHARE).order_by(each.c.next_at).limit(limit)
        return list(session.scalars(first))

    if not database.read(due):
        return []

    def work(session: Session) -> list[Parcel]:
        named = WebhookDeliveryRow.id.in_(due(session)), WebhookDeliveryRow.state == "pending"
        locked = select(WebhookDeliveryRow).where(*named).order_by(WebhookDeliveryRow.id)
        at = now(session)
        rows = session.scalars(locked.with_for_update(skip_locked=True)).all()
        free = [row for row in rows if row.next_at <= at]
        for row in free:
            row.attempt, row.next_at = row.attempt + 1, at + LEASE_MS
        return [_parcel(session, row) for row in free]

    return database.write(work)


def _parcel(session: Session, row: WebhookDeliveryRow) -> Parcel:
    hook, message = session.get_one(WebhookRow, row.webhook_id), session.get_one(OutboxRow, row.outbox_id)
    return Parcel(
        delivery_id=row.id,
        message_id=message.id,
        attempt=row.attempt,
        url=hook.url,
        secret=hook.secret,
        topic=NAMES.get(message.topic, message.topic),
        project_id=message.project_id,
        created_at=message.created_at,
        payload=message.payload,
    )


def finish(database: Database, parcel: Parcel, status: int | None, error: str) -> None:
    """Note how sending went. An empty `error` is success; else it is tried again later, ten times in all."""

    def work(session: Session) -> None:
        at = now(session)
        mine = WebhookDeliveryRow.id == parcel.delivery_id, WebhookDeliveryRow.state == "pending"
        ended = not error or parcel.attempt >= ATTEMPTS
        values = {"status": status, "error": error[:500], "state": "done" if not error else "pending"}
        if ended:
            values |= {"finished_at": at, "state": "failed" if error else "done"}
        else:
            values["next_at"] = at + wait_ms(parcel.attempt)
        session.execute(update(WebhookDeliveryRow).where(*mine).values(**values))

    database.write(work, idempotent=True)


def wait_ms(attempt: int) -> int:
    """Return how long to wait after an attempt failed: a minute at first, twelve hours at last.

    >>> round(wait_ms(1) / 60_000), round(wait_ms(9) / 3_600_000)
    (1, 12)
    """
    wait = WAITS_MS[min(attempt, len(WAITS_MS)) - 1]
    return int(wait * _JITTER.uniform(0.98, 1.02))


def prune(database: Database) -> int:
    """Delete messages of a month ago whose deliveries have all ended, with those; returns how many messages."""

    def old(session: Session) -> list[int]:
        pending = WebhookDeliveryRow.outbox_id == OutboxRow.id, WebhookDeliveryRow.state == "pending"
        ended = OutboxRow.sent_at < now(session) - KEEP_MS, ~select(WebhookDeliveryRow.id).where(*pending).exists()
        return list(session.scalars(select(OutboxRow.id).where(*ended).order_by(OutboxRow.id).limit(_AT_ONCE)))

    def work(session: Session) -> int:
        ids = old(session)
        session.execute(delete(WebhookDeliveryRow).where(WebhookDeliveryRow.outbox_id.in_(ids)))
        session.execute(delete(OutboxRow).where(OutboxRow.id.in_(ids)))
        return len(ids)

    return database.write(work, idempotent=True) if database.read(old) else 0


def listed(database: Database, actor: Actor, project_id: int, webhook_id: int, limit: int = 100) -> list[Delivery]:
    """Return what became of a webhook's messages, the newest first.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if the project has no such webhook, live or removed.
    """

    def work(session: Session) -> list[Delivery]:
        authorize(session, actor, project_id, Role.administrator)
        hook = session.get(WebhookRow, webhook_id)
        if hook is None or hook.project_id != project_id:
            raise NotFound(f"expected a webhook of this project, got the id {webhook_id}; see the list of webhooks")
        statement = (
            select(WebhookDeliveryRow, OutboxRow.topic)
            .join(OutboxRow, OutboxRow.id == WebhookDeliveryRow.outbox_id)
            .where(WebhookDeliveryRow.webhook_id == webhook_id)
            .order_by(WebhookDeliveryRow.id.desc())
            .limit(max(1, min(limit, 1000)))
        )
        return [_record(row, topic) for row, topic in session.execute(statement).tuples()]

    return database.read(work)


def _record(row: WebhookDeliveryRow, topic: str) -> Delivery:
    return Delivery(
        id=row.id,
        webhook_id=row.webhook_id,
        topic=NAMES.get(topic, topic),
        state=row.state,
        attempt=row.attempt,
        next_at=row.next_at,
        status=row.status,
        error=row.error,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
