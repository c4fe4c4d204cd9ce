"""Sessions of people who logged in: a random secret in a cookie, its hash here, ended here and not in the browser."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy import update
from sqlalchemy.orm import Session

from db.access import authorize, end_sessions, find_user
from db.clock import now
from db.engine import Database
from db.errors import PermissionDenied
from db.records import Actor, Login, NewSession, Role
from db.tables import SessionRow, UserRow

__all__ = ["Login", "NewSession", "caller", "end", "end_all", "look_up", "start"]

IDLE_MS = 12 * 60 * 60 * 1000
LONGEST_MS = 7 * 24 * 60 * 60 * 1000
SEEN_STEP_MS = 5 * 60 * 1000  # 'seen' is written at most this often: a look must not be a write
KEY_BYTES = 32
OVER = "Your session has ended. Log in again."


def start(database: Database, user_id: int, key: str | None = None) -> NewSession:
    """Begin a session for somebody who just proved who they are; only a login may call it.

    Args:
        database: the store.
        user_id: who.
        key: the secret that stands for the session; None makes a new one of 256 bits.

    Raises:
        NotFound: if there is no such user.
        PermissionDenied: if the user was disabled.
        Conflict: if the secret stood for a session before.
    """
    secret = key or secrets.token_urlsafe(KEY_BYTES)

    def work(session: Session) -> NewSession:
        if find_user(session, user_id).disabled_at is not None:
            raise PermissionDenied("expected an active user, got one that is disabled; ask an administrator")
        time = now(session)
        row = SessionRow(
            user_id=user_id, token_hash=hash_of(secret), created_at=time, seen_at=time, expires_at=time + LONGEST_MS
        )
        session.add(row)
        session.flush()
        return NewSession(id=row.id, key=secret)

    return database.write(work)


def look_up(database: Database, key: str | None) -> Login | None:
    """Return what a cookie's secret stands for, also when it is over; None when it never stood for anything."""
    if not key:
        return None

    def work(session: Session) -> tuple[Login, bool] | None:
        found = session.query(SessionRow, UserRow).join(UserRow, UserRow.id == SessionRow.user_id)
        pair = found.filter(SessionRow.token_hash == hash_of(key)).one_or_none()
        if pair is None:
            return None
        row, user = pair
        time = now(session)
        live = _is_live(row, user, time)
        return Login(session_id=row.id, actor=_actor(user), live=live), live and row.seen_at < time - SEEN_STEP_MS

    answer = database.read(work)
    if answer is None:
        return None
    login, old = answer
    if old:
        _note_seen(database, login.session_id)
    return login


def caller(database: Database, user_id: int, session_id: int | None) -> Actor:
    """Return who a signed token speaks for, while they are active and their session is live.

    Args:
        database: the store.
        user_id: from the token.
        session_id: from the token; None where there are no sessions (local mode).

    Raises:
        PermissionDenied: if the user is unknown or disabled, or the session is over or another user's.
    """

    def work(session: Session) -> tuple[Actor, bool]:
        user = session.get(UserRow, user_id)
        if user is None or user.disabled_at is not None:
            raise PermissionDenied(OVER)
        if session_id is None:
            return _actor(user), False
        row, time = session.get(SessionRow, session_id), now(session)
        if row is None or row.user_id != user_id or not _is_live(row, user, time):
            raise PermissionDenied(OVER)
        return _actor(user), row.seen_at < time - SEEN_STEP_MS

    actor, old = database.read(work)
    if old and session_id is not None:
        _note_seen(database, session_id)
    return actor


def end(database: Database, key: str) -> None:
    """Revoke the session that a secret stands for; whoever holds the secret may."""
    mine = (SessionRow.token_hash == hash_of(key), SessionRow.revoked_at.is_(None))
    database.write(
        lambda session: session.execute(update(SessionRow).where(*mine).values(revoked_at=now(session))),
        idempotent=True,
    )


def end_all(database: Database, actor: Actor, user_id: int) -> int:
    """Revoke every session of a user; return how many were live.

    Raises:
        PermissionDenied: below administrator.
        NotFound: if there is no such user.
    """

    def work(session: Session) -> int:
        authorize(session, actor, None, Role.administrator)
        find_user(session, user_id)
        return end_sessions(session, user_id)

    return database.write(work, idempotent=True)


def hash_of(secret: str) -> str:
    """Return what is stored of a random secret; with 128 bits or more a plain sha256 cannot be searched."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _is_live(row: SessionRow, user: UserRow, time: int) -> bool:
    awake = row.expires_at > time and row.seen_at > time - IDLE_MS
    return awake and row.revoked_at is None and user.disabled_at is None


def _note_seen(database: Database, session_id: int) -> None:
    live = (SessionRow.id == session_id, SessionRow.revoked_at.is_(None))
    database.write(
        lambda session: session.execute(update(SessionRow).where(*live).values(seen_at=now(session))), idempotent=True
    )


def _actor(user: UserRow) -> Actor:
    return Actor(user_id=user.id, name=user.name, role=Role[user.role] if user.role else None)
