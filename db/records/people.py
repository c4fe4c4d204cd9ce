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
class NewSession:
    """A session that just began. `key` is the cookie's secret: only its hash is stored, nobody can ask for it again."""

    id: int
    key: str


@dataclass(frozen=True, kw_only=True)
class Login:
    """What a cookie's secret stands for: a session, who it belongs to, and whether it still counts."""

    session_id: int
    actor: Actor
    live: bool


@dataclass(frozen=True, kw_only=True)
class NewInvitation:
    """An invitation that was just made. `token` is for the one-time link; only its hash is stored."""

    id: int
    token: str
    expires_at: int


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """An invitation that can still be taken.

    Attributes:
        name: The account's name where it is fixed, or the e-mail address of who may log in through a provider.
        role: What it gives; None for a new password.
        project: Name of the project where the role holds; None is everywhere.
        for_user: Whose new password it is; None makes a new account.
        first: Whether it makes the first administrator.
    """

    id: int
    name: str | None
    role: Role | None
    project: str | None
    for_user: str | None
    first: bool
    expires_at: int


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user as administrators see one: how they can log in, how many sessions are live, their roles in projects."""

    user: User
    has_password: bool
    has_identity: bool
    sessions: int
    memberships: tuple[tuple[str, Role, str], ...]


@dataclass(frozen=True, kw_only=True)
class Member:
    """A person in one project. `role` is what holds there (the higher of its own and the one for all projects).

    `state` is 'active', 'paused' (nothing is handed out) or 'excluded' (the answers do not count either).
    """

    user: User
    role: Role
    state: str
