"""Adversarial copies. (Signatures; the bodies follow.)"""

from __future__ import annotations

from collections.abc import Sequence

from db.engine import Database
from db.records import Actor, NewFile, TrainingCopy


def record_copies(
    database: Database, actor: Actor, round_id: int, file: NewFile, rows: Sequence[tuple[int, int, float | None]]
) -> int:
    raise NotImplementedError


def copies_for_training(database: Database, project_id: int, last_rounds: int = 3) -> list[TrainingCopy]:
    raise NotImplementedError
