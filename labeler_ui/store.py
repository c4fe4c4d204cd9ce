"""One open store for the whole process: pages and routes share its connections."""

from __future__ import annotations

import threading

from db import access
from db.access import Actor
from db.engine import Database
from db.errors import PermissionDenied
from labeler_ui import settings, tokens

_lock = threading.Lock()
_open: dict[tuple[str, str], Database] = {}
_secrets: dict[str, bytes] = {}


def database() -> Database:
    """Return the store named by the environment, opened (and migrated) on first use."""
    found = settings.load()
    key = (str(found.home), found.database_url or "")
    with _lock:
        if key not in _open:
            found.home.mkdir(parents=True, exist_ok=True)
            _open[key] = Database.open(found.database_url, home=found.home)
        return _open[key]


def secret() -> bytes:
    """Return the secret that signs this home's tokens."""
    home = settings.load().home
    with _lock:
        if str(home) not in _secrets:
            _secrets[str(home)] = tokens.load_secret(home)
        return _secrets[str(home)]


def actor(opened: Database, name: str) -> Actor:
    """Return who acts under a name. Local mode: a name identifies, it does not prove anything.

    Raises:
        PermissionDenied: The user was disabled, or there are accounts, where a name alone opens nothing.
        InvalidInput: The name is not one.
    """
    if settings.load().team:
        raise PermissionDenied("expected a person who logged in, got a name alone; do: log in")
    return access.local_user(opened, name)


def close() -> None:
    """Close every store that this process opened."""
    with _lock:
        for opened in _open.values():
            opened.close()
        _open.clear()
        _secrets.clear()
