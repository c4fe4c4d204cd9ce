"""Jobs. (Signatures; the bodies follow.)"""

from __future__ import annotations

from db.engine import Database
from db.records import Actor, Job


def begin(
    database: Database, actor: Actor, project_id: int | None, kind: str, owner: str, stale_after_ms: int = 60_000
) -> Job | None:
    raise NotImplementedError


def heartbeat(database: Database, job: Job, done: int = 0, total: int = 0, message: str = "") -> bool:
    raise NotImplementedError


def finish(database: Database, job: Job, state: str, error: str = "") -> bool:
    raise NotImplementedError


def running(database: Database, project_id: int | None = None) -> list[Job]:
    raise NotImplementedError


def latest(database: Database, project_id: int | None, kind: str | None = None) -> Job | None:
    raise NotImplementedError


def request_cancel(database: Database, actor: Actor, job_id: int) -> bool:
    raise NotImplementedError
