"""Projects. (Signatures; the bodies follow.)"""

from __future__ import annotations

from db.engine import Database
from db.records import Actor, ClassRecord, Project, ProjectSpec

__all__ = ["ClassRecord", "Project", "ProjectSpec"]


def create_project(database: Database, actor: Actor, spec: ProjectSpec) -> Project:
    raise NotImplementedError


def get_project(database: Database, actor: Actor, name_or_id: str | int) -> Project:
    raise NotImplementedError


def list_projects(database: Database, actor: Actor) -> list[Project]:
    raise NotImplementedError


def update_project(database: Database, actor: Actor, project_id: int, **changes: object) -> Project:
    raise NotImplementedError


def set_paused(database: Database, actor: Actor, project_id: int, paused: bool) -> Project:
    raise NotImplementedError


def delete_project(database: Database, actor: Actor, project_id: int) -> None:
    raise NotImplementedError
