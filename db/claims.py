"""Claims. (Signatures; the bodies follow.)"""

from __future__ import annotations

from collections.abc import Sequence

from db.engine import Database
from db.records import Actor, ClaimedQuery, Waiting


def claim(
    database: Database, actor: Actor, project_id: int, count: int, lease_seconds: int = 120
) -> list[ClaimedQuery]:
    raise NotImplementedError


def renew(
    database: Database, actor: Actor, project_id: int, tokens: Sequence[tuple[int, int]], lease_seconds: int = 120
) -> list[int]:
    """`tokens` are (query id, token) pairs; returns the query ids that are still yours."""
    raise NotImplementedError


def release(database: Database, actor: Actor, project_id: int, query_ids: Sequence[int]) -> int:
    raise NotImplementedError


def waiting(database: Database, actor: Actor, project_id: int) -> Waiting:
    raise NotImplementedError
