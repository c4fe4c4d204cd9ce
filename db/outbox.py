"""The doorbell. (Signatures; the bodies follow.)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from db.engine import Database
from db.records import OutboxMessage


def ring(session: Session, topic: str, project_id: int | None, payload: Mapping[str, Any]) -> None:
    raise NotImplementedError


def unsent(database: Database, limit: int = 100) -> list[OutboxMessage]:
    raise NotImplementedError


def mark_sent(database: Database, ids: Sequence[int]) -> None:
    raise NotImplementedError
