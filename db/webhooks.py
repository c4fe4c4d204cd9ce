"""Webhooks: who is told what of a project, and the messages themselves, left in the transaction they tell of.

Nothing is sent from here. `db.deliveries` hands the messages to the flow that sends them.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db import inputs
from db.access import authorize
from db.clock import now
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound
from db.outbox import ring
from db.records import Actor, Answer, NewWebhook, Role, Webhook
from db.tables import ClassRow, LabelTableRow, OutboxRow, QueryRow, UserRow, WebhookDeliveryRow, WebhookRow

TOPICS = ("annotation.created", "query.completed", "round.completed")
TEST = "webhook.test"
MOST_LIVE = 20
_PREFIX = "whs_"  # of a secret, to tell what it is
_REMOVED = "the webhook was removed"


def add(database: Database, actor: Actor, project_id: int, url: str, topics: Sequence[str]) -> NewWebhook:
    """Tell an address of some topics of a project from now on.

    Raises:
        PermissionDenied: below administrator in the project.
        InvalidInput: for an address that is not https (http is for this machine alone), or an unknown topic.
        Conflict: if the project has 20 webhooks.
    """
    url, chosen = check_url(url), _topics(topics)

    def work(session: Session) -> NewWebhook:
        authorize(session, actor, project_id, Role.administrator)
        if len(_live(session, project_id)) >= MOST_LIVE:
            raise Conflict(f"expected at most {MOST_LIVE} webhooks a project, got one more; remove one first")
        secret = _PREFIX + secrets.token_urlsafe(32)
        row = WebhookRow(project_id=project_id, url=url, secret=secret, topics=",".join(chosen))
        row.created_by, row.created_at = actor.user_id, now(session)
        session.add(row)
        session.flush()
        return NewWebhook(webhook=_record(row), secret=secret)

    return database.write(work)


def listed(database: Database, actor: Actor, project_id: int) -> list[Webhook]:
    """Return the project's webhooks, without their secrets.

    Raises:
        PermissionDenied: below administrator in the project: an address can be a secret of its own.
    """

    def work(session: Session) -> list[Webhook]:
        authorize(session, actor, project_id, Role.administrator)
        return [_record(row) for row in _live(session, project_id)]

    return database.read(work)


def remove(database: Database, actor: Actor, project_id: int, webhook_id: int) -> None:
    """Tell an address nothing more; what was not delivered yet never will be.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if the project has no such webhook.
    """

    def work(session: Session) -> None:
        authorize(session, actor, project_id, Role.administrator)
        row = one(session, project_id, webhook_id)
        row.disabled_at = at = now(session)
        waiting = WebhookDeliveryRow.webhook_id == webhook_id, WebhookDeliveryRow.state == "pending"
        ended = {"state": "failed", "error": _REMOVED, "finished_at": at}
        session.execute(update(WebhookDeliveryRow).where(*waiting).values(**ended))

    database.write(work)


def test(database: Database, actor: Actor, project_id: int, webhook_id: int) -> int:
    """Queue a message of the topic `webhook.test` to one webhook; returns the delivery's id.

    Raises:
        PermissionDenied: below administrator in the project.
        NotFound: if the project has no such webhook.
    """

    def work(session: Session) -> int:
        authorize(session, actor, project_id, Role.administrator)
        row, at = one(session, project_id, webhook_id), now(session)
        message = OutboxRow(topic=TEST, project_id=project_id, payload={"webhook_id": row.id}, created_at=at)
        message.sent_at = at  # to this webhook alone
        session.add(message)
        session.flush()
        delivery = WebhookDeliveryRow(webhook_id=row.id, outbox_id=message.id, state="pending", attempt=0, error="")
        delivery.next_at = delivery.created_at = at
        session.add(delivery)
        session.flush()
        return delivery.id

    return database.write(work)


def announce_answer(session: Session, query: QueryRow, user_id: int, answer: Answer) -> None:
    """Tell of an answer that counts, and of its query if that is complete by it; nothing if nobody asks."""
    topics = wanted(session, query.project_id)
    if "annotation.created" in topics:
        who = session.scalars(select(UserRow.name).where(UserRow.id == user_id)).one()
        said = {"answer_id": answer.answer_id, "outcome": answer.outcome, "user": who, "mode": answer.mode}
        named = {"class": _class_name(session, answer.class_id), "supersedes": answer.supersedes}
        ring(session, "annotation.created", query.project_id, {**_asked(query), **said, **named})
    if "query.completed" in topics and query.state == "closed":
        _complete(session, query)


def announce_query(session: Session, query: QueryRow) -> None:
    """Tell that a query is complete: call it where one is closed without an answer."""
    if "query.completed" in wanted(session, query.project_id):
        _complete(session, query)


def wanted(session: Session, project_id: int) -> set[str]:
    """Return the topics that live webhooks of the project want."""
    mine = WebhookRow.project_id == project_id, WebhookRow.disabled_at.is_(None)
    return {topic for topics in session.scalars(select(WebhookRow.topics).where(*mine)) for topic in topics.split(",")}


def _complete(session: Session, query: QueryRow) -> None:
    label = select(LabelTableRow.class_id).where(LabelTableRow.sample_id == query.sample_id)
    name = _class_name(session, session.scalars(label).one_or_none())
    ring(session, "query.completed", query.project_id, {**_asked(query), "label": name})


def _asked(query: QueryRow) -> dict[str, Any]:
    """What a receiver may know of a query; not its kind, for checks stay unseen."""
    return {"query_id": query.id, "sample_id": query.sample_id, "round_id": query.round_id}


def _class_name(session: Session, class_id: int | None) -> str | None:
    found = None if class_id is None else session.get(ClassRow, class_id)
    return None if found is None else found.name


def one(session: Session, project_id: int, webhook_id: int) -> WebhookRow:
    """Return a live webhook of the project, locked.

    Raises:
        NotFound: if there is none.
    """
    named = WebhookRow.id == webhook_id, WebhookRow.project_id == project_id, WebhookRow.disabled_at.is_(None)
    row = session.scalars(select(WebhookRow).where(*named).with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise NotFound(f"expected a webhook of this project, got the id {webhook_id}; see the list of webhooks")
    return row


def check_url(url: object) -> str:
    """Return an address that may be told; where its name leads is checked anew whenever something is sent.

    Raises:
        InvalidInput: not http or https, http to anywhere but this machine, with a password in it, or not an address.
    """
    text = inputs.name(url, "a webhook's address", longest=2000)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput(f"expected an address such as https://example.org/hook, got: {error}") from error
    if parts.scheme not in ("http", "https") or not host or port == 0 or not text.isascii() or " " in text:
        raise InvalidInput("expected an address such as https://example.org/hook, got another form; type it in full")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("expected an address without a name or password in it; check the signature instead")
    if parts.scheme == "http" and not _this_machine(host):
        raise InvalidInput("expected https, got http; only this machine may be told without encryption")
    return text


def _this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _topics(given: object) -> list[str]:
    named = list(given) if isinstance(given, list | tuple) else []
    if not named or any(topic not in TOPICS for topic in named):
        raise InvalidInput(f"expected topics out of {', '.join(TOPICS)}, got {given!s:.200}; choose one or more")
    return [topic for topic in TOPICS if topic in named]


def _live(session: Session, project_id: int) -> Sequence[WebhookRow]:
    mine = WebhookRow.project_id == project_id, WebhookRow.disabled_at.is_(None)
    return session.scalars(select(WebhookRow).where(*mine).order_by(WebhookRow.id)).all()


def _record(row: WebhookRow) -> Webhook:
    return Webhook(
        id=row.id,
        project_id=row.project_id,
        url=row.url,
        topics=tuple(row.topics.split(",")),
        created_at=row.created_at,
    )
