"""Other programs: their tokens, the webhooks they want, and what became of each message to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from db.records.people import Actor


@dataclass(frozen=True, kw_only=True)
class ApiToken:
    """A person's key for programs, without the key itself; `project_id` None reaches all that the person may see."""

    id: int
    user_id: int
    user_name: str
    project_id: int | None
    name: str
    created_at: int
    expires_at: int | None
    used_at: int | None
    revoked_at: int | None


@dataclass(frozen=True, kw_only=True)
class NewApiToken:
    """A token just made: `secret` is shown to its owner now and never again."""

    token: ApiToken
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class TokenHolder:
    """Who a valid token belongs to; with a `project_id` it opens that project alone."""

    actor: Actor
    token_id: int
    project_id: int | None


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """An address that is told of some topics of a project, without its secret."""

    id: int
    project_id: int
    url: str
    topics: tuple[str, ...]
    created_at: int


@dataclass(frozen=True, kw_only=True)
class NewWebhook:
    """A webhook just made: `secret` signs its messages, and is shown now and never again."""

    webhook: Webhook
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One message to one address; `state` is 'pending', 'done' or 'failed', `status` that of the last HTTP answer."""

    id: int
    webhook_id: int
    topic: str
    state: str
    attempt: int
    next_at: int
    status: int | None
    error: str
    created_at: int
    finished_at: int | None


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A delivery that is due, with all that sending it needs; `attempt` counts this one in."""

    delivery_id: int
    message_id: int
    attempt: int
    url: str
    secret: str = field(repr=False)
    topic: str
    project_id: int | None
    created_at: int
    payload: Mapping[str, Any]
