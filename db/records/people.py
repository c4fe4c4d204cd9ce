"""Who acts: users, their roles, and the acting user every public function takes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What a user may do; a higher role may do everything a lower one may."""

    viewer = 1
    annotator = 2
    reviewer = 3
    administrator = 4


@dataclass(frozen=True, kw_only=True)
class Actor:
    """The acting user. The role is a hint for pages; the store looks the real one up."""

    user_id: int
    name: str
    role: Role | None = None


@dataclass(frozen=True, kw_only=True)
class User:
    """A person or a part of the system with a name of its own; `role` holds for all projects, None for none."""

    id: int
    name: str
    kind: str
    role: Role | None
    active: bool
    created_at: int


@dataclass(frozen=True, kw_only=True)
class Member:
    """A person in one project. `role` is what holds there (the higher of its own and the one for all projects).

    `state` is 'active', 'paused' (nothing is handed out) or 'excluded' (the answers do not count either).
    """

    user: User
    role: Role
    state: str
