"""The doorbell: written in the transaction it tells of, sent on at least once afterwards. SQL stays the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from db import inputs
from db.clock import now
from db.tables import OutboxRow


def ring(session: Session, topic: str, project_id: int | None, payload: Mapping[str, Any]) -> None:
    """Leave a message inside of the caller's transaction: nobody hears of what was rolled back."""
    kept = inputs.plain(payload, "a message's payload")
    session.add(OutboxRow(topic=topic, project_id=project_id, payload=kept, created_at=now(session)))
