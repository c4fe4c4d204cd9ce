"""Keys for programs, each one person's: shown once, kept as a hash, ended at once. Roles are looked up at every use.

A key is 32 random bytes, so it cannot be guessed; what is slowed down is an address that keeps trying.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from db import inputs
from db.access import authorize
from db.clock import now
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from db.records import Actor, ApiToken, NewApiToken, Role, TokenHolder
from db.tables import ApiTokenRow, ThrottleRow, UserRow

PREFIX = "blt_"
MOST_LIVE = 50
NOTE_USE_MS = 60_000
FREE_FAILURES = 10
LONGEST_BLOCK_MS = 300_000
FORGET_MS = 3_600_000
_DAY_MS = 86_400_000
_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}\Z")
_KEY = "api-token:"


def create(
    database: Database,
    actor: Actor,
    user_id: int,
    name: str,
    *,
    project_id: int | None = None,
    days: int | None = None,
) -> NewApiToken:
    """Make a token for a user: everybody for themselves, an administrator for others.

    Args:
        database: The store.
        actor: Who makes it.
        user_id: Whose it is; what it may do is what that user may do.
        name: What it is for, to know it in the list.
        project_id: The one project that it opens; None for all that the user may see.
        days: After how many days it ends; None for never.

    Raises:
        PermissionDenied: for somebody else's token below administrator, or in a project the actor may not see.
        NotFound: if there is no such user or project.
        Conflict: if the user has 50 tokens that are live.
    """
    name = inputs.name(name, "a token's name")
    lasting = None if days is None else _DAY_MS * inputs.integer(days, "days", 1, 3650)
    secret = PREFIX + secrets.token_urlsafe(32)

    def work(session: Session) -> NewApiToken:
        _require_own(session, actor, user_id)
        if project_id is not None:
            authorize(session, actor, project_id, Role.viewer)
        user = _user(session, user_id)
        at = now(session)
        if len(_live(session, user_id, at)) >= MOST_LIVE:
            raise Conflict(f"expected at most {MOST_LIVE} live tokens a user, got one more; revoke those not in use")
        row = ApiTokenRow(user_id=user_id, project_id=project_id, name=name, token_hash=_hash(secret))
        row.created_by, row.created_at = actor.user_id, at
        row.expires_at = None if lasting is None else at + lasting
        session.add(row)
        session.flush()
        return NewApiToken(token=_record(row, user.name), secret=secret)

    return database.write(work)


def listed(database: Database, actor: Actor, user_id: int | None = None) -> list[ApiToken]:
    """Return a user's tokens, or with None everybody's, the newest first; none shows its secret.

    Raises:
        PermissionDenied: for others' tokens below administrator.
    """

    def work(session: Session) -> list[ApiToken]:
        _require_own(session, actor, user_id)
        statement = select(ApiTokenRow, UserRow.name).join(UserRow, UserRow.id == ApiTokenRow.user_id)
        if user_id is not None:
            statement = statement.where(ApiTokenRow.user_id == user_id)
        found = session.execute(statement.order_by(ApiTokenRow.id.desc())).tuples()
        return [_record(row, name) for row, name in found]

    return database.read(work)


def revoke(database: Database, actor: Actor, token_id: int) -> None:
    """End a token at once; its owner and administrators may. A second time changes nothing.

    Raises:
        PermissionDenied: for others' tokens below administrator.
        NotFound: if there is no such token.
    """

    def work(session: Session) -> None:
        row = session.get(ApiTokenRow, token_id)
        _require_own(session, actor, row.user_id if row else None)
        if row is None:
            raise NotFound(f"expected a token, got the id {token_id} of none; see the list of tokens")
        row.revoked_at = row.revoked_at or now(session)

    database.write(work, idempotent=True)


def authenticate(database: Database, secret: str | None, address: str = "") -> TokenHolder | None:
    """Return whose token this is, or None if it is none, was revoked, has ended, or its user is disabled.

    Its use is noted once a minute at most, so that reading stays reading.

    Args:
        database: The store.
        secret: What the program sent.
        address: Where from; too many failures from there are refused for a while, valid tokens never.

    Raises:
        PermissionDenied: too many failures from this address; the text says for how long.
    """
    if secret is not None and _FORM.match(secret):
        found = database.read(lambda session: _holder(session, _hash(secret)))
        if found is not None:
            holder, stale = found
            if stale:
                database.write(lambda session: _note_use(session, holder.token_id), idempotent=True)
            return holder
    _fail(database, address)
    return None


def _holder(session: Session, token_hash: str) -> tuple[TokenHolder, bool] | None:
    statement = select(ApiTokenRow, UserRow).join(UserRow, UserRow.id == ApiTokenRow.user_id)
    live = ApiTokenRow.token_hash == token_hash, ApiTokenRow.revoked_at.is_(None), UserRow.disabled_at.is_(None)
    found = session.execute(statement.where(*live)).tuples().one_or_none()
    at = now(session)
    if found is None or (found[0].expires_at is not None and found[0].expires_at <= at):
        return None
    row, user = found
    actor = Actor(user_id=user.id, name=user.name, role=Role[user.role] if user.role else None)
    stale = row.used_at is None or row.used_at <= at - NOTE_USE_MS
    return TokenHolder(actor=actor, token_id=row.id, project_id=row.project_id), stale


def _note_use(session: Session, token_id: int) -> None:
    session.execute(update(ApiTokenRow).where(ApiTokenRow.id == token_id).values(used_at=now(session)))


def _fail(database: Database, address: str) -> None:
    """Count a failure; while the address is blocked nothing is written, so that trying costs the store nothing."""
    key = _KEY + _network(address)

    def blocked_for(session: Session) -> int:
        row = session.get(ThrottleRow, key)
        return 0 if row is None else row.blocked_until - now(session)

    left = database.read(blocked_for)
    if left > 0:
        raise PermissionDenied(f"expected a valid token, got too many that were not; try again in {-(-left // 1000)} s")
    database.write(lambda session: _count(session, key), idempotent=True)


def _count(session: Session, key: str) -> None:
    at = now(session)
    old = ThrottleRow.key.startswith(_KEY, autoescape=True), ThrottleRow.updated_at < at - FORGET_MS
    session.execute(delete(ThrottleRow).where(*old))
    row = session.scalars(select(ThrottleRow).where(ThrottleRow.key == key).with_for_update()).one_or_none()
    if row is None:
        row = ThrottleRow(key=key, failures=0)
        session.add(row)
    row.failures, row.updated_at = row.failures + 1, at
    over = row.failures - FREE_FAILURES
    row.blocked_until = at + min(LONGEST_BLOCK_MS, 1000 * 2 ** min(over, 20)) if over >= 0 else at
    session.flush()


def _network(address: str) -> str:
    """One IPv6 customer has a /64 to try from."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


def _require_own(session: Session, actor: Actor, user_id: int | None) -> None:
    if actor.user_id == user_id:
        if _user(session, actor.user_id).disabled_at is not None:
            raise PermissionDenied(f"expected an active user, got {actor.name!r}; ask an administrator for access")
        return
    authorize(session, actor, None, Role.administrator)


def _user(session: Session, user_id: int) -> UserRow:
    row = session.get(UserRow, user_id)
    if row is None:
        raise NotFound(f"expected a user, got the id {user_id} of none; see the list of users")
    if row.kind != "person":
        raise InvalidInput(f"expected a person, got {row.name!r}, a part of the system; name a person")
    return row


def _live(session: Session, user_id: int, at: int) -> list[int]:
    mine = ApiTokenRow.user_id == user_id, ApiTokenRow.revoked_at.is_(None)
    ends = (ApiTokenRow.expires_at.is_(None)) | (ApiTokenRow.expires_at > at)
    return list(session.scalars(select(ApiTokenRow.id).where(*mine, ends)))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _record(row: ApiTokenRow, user_name: str) -> ApiToken:
    return ApiToken(
        id=row.id,
        user_id=row.user_id,
        user_name=user_name,
        project_id=row.project_id,
        name=row.name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        revoked_at=row.revoked_at,
    )
