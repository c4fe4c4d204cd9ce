"""Answers. (Signatures; the bodies follow.)"""

from __future__ import annotations

from db.engine import Database
from db.records import Actor, Answer, Receipt, RecentAnswer

__all__ = ["Answer", "Receipt"]


def submit(database: Database, actor: Actor, project_id: int, answer: Answer) -> Receipt:
    raise NotImplementedError


def undo(
    database: Database, actor: Actor, project_id: int, undo_id: str, answer_id: str, lease_seconds: int = 120
) -> Receipt:
    raise NotImplementedError


def recent(database: Database, actor: Actor, project_id: int, limit: int = 20) -> list[RecentAnswer]:
    raise NotImplementedError
