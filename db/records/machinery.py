"""Long work, wishes from the page, and the doorbell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Job:
    """Long work under way or done; `state` is 'running', 'done', 'failed' or 'canceled'."""

    id: int
    project_id: int | None
    kind: str
    owner: str
    state: str
    attempt: int
    done: int
    total: int
    message: str
    error: str
    started_at: int
    heartbeat_at: int
    ended_at: int | None
    cancel_requested: bool


@dataclass(frozen=True, kw_only=True)
class Command:
    """A wish written by the page and carried out by the reconcile flow; `state` is 'pending', 'done' or 'failed'."""

    id: int
    project_id: int | None
    kind: str
    payload: Mapping[str, Any]
    key: str
    state: str
    message: str
    created_by: int
    created_at: int
    finished_at: int | None
