"""Wishes from the page. (Signatures; the bodies follow.)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from db.engine import Database
from db.records import Actor, Command


def post(
    database: Database, actor: Actor, project_id: int | None, kind: str, payload: Mapping[str, Any], key: str
) -> Command:
    """The same key again returns the stored command."""
    raise NotImplementedError


def pending(database: Database, limit: int = 100) -> list[Command]:
    raise NotImplementedError


def finish(database: Database, command_id: int, state: str = "done", message: str = "") -> bool:
    raise NotImplementedError
