"""Model versions. (Signatures; the bodies follow.)"""

from __future__ import annotations

from db.engine import Database
from db.records import Actor, ModelVersion, NewModelVersion


def record(database: Database, actor: Actor, project_id: int, new: NewModelVersion) -> ModelVersion:
    """Does not make it current; the same file for the same round again gives the stored one."""
    raise NotImplementedError


def current(database: Database, project_id: int) -> ModelVersion | None:
    raise NotImplementedError


def set_current(database: Database, actor: Actor, project_id: int, model_version_id: int) -> ModelVersion:
    raise NotImplementedError


def get(database: Database, actor: Actor, project_id: int, model_version_id: int) -> ModelVersion:
    raise NotImplementedError


def for_round(database: Database, round_id: int) -> ModelVersion | None:
    raise NotImplementedError


def list_versions(database: Database, actor: Actor, project_id: int) -> list[ModelVersion]:
    raise NotImplementedError
