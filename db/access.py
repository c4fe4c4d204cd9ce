"""Who may do what. (Signatures; the bodies follow.)"""

from __future__ import annotations

from sqlalchemy.orm import Session

from db.engine import Database
from db.records import Actor, Role, User

__all__ = ["Actor", "Role"]


def authorize(session: Session, actor: Actor, project_id: int | None, need: Role) -> Role:
    raise NotImplementedError


def system_actor(database: Database) -> Actor:
    raise NotImplementedError


def local_user(database: Database, name: str) -> Actor:
    raise NotImplementedError


def users(database: Database, actor: Actor) -> list[User]:
    raise NotImplementedError


def add_user(database: Database, actor: Actor, name: str, role: Role | None = None) -> User:
    raise NotImplementedError


def set_active(database: Database, actor: Actor, user_id: int, active: bool) -> User:
    raise NotImplementedError


def add_member(database: Database, actor: Actor, project_id: int, user_id: int, role: Role) -> None:
    raise NotImplementedError
