"""Rounds. (Signatures; the bodies follow.)"""

from __future__ import annotations

from db.engine import Database
from db.records import Actor, DueRound, Finished, NewQueue, Round, RoundSummary


def due(database: Database) -> list[DueRound]:
    raise NotImplementedError


def begin_round(database: Database, actor: Actor, project_id: int) -> Round | Finished:
    raise NotImplementedError


def get_round(database: Database, round_id: int) -> Round:
    raise NotImplementedError


def set_model(database: Database, actor: Actor, round_id: int, model_version_id: int) -> None:
    raise NotImplementedError


def enqueue(database: Database, actor: Actor, round_id: int, queue: NewQueue) -> Round:
    raise NotImplementedError


def labels_due(database: Database, actor: Actor, project_id: int) -> int:
    """Labels of the pool gained since the newest model version was trained."""
    raise NotImplementedError


def history(database: Database, actor: Actor, project_id: int) -> list[RoundSummary]:
    raise NotImplementedError
