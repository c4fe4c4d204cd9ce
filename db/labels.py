"""Labels. (Signatures; the bodies follow.)"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from db.engine import Database
from db.records import Actor, LabelRow


def resolve(session: Session, project_id: int, sample_id: int) -> int | None:
    raise NotImplementedError


def rebuild(database: Database) -> dict[int, int]:
    raise NotImplementedError


def counts(database: Database, actor: Actor, project_id: int) -> dict[str, int]:
    """Class name -> labels, all classes listed."""
    raise NotImplementedError


def export_rows(database: Database, actor: Actor, project_id: int) -> Iterator[LabelRow]:
    raise NotImplementedError
