"""Progress. (Signatures; the bodies follow.)"""

from __future__ import annotations

from db.engine import Database
from db.records import Actor, Progress


def progress(database: Database, actor: Actor, project_id: int) -> Progress:
    raise NotImplementedError
