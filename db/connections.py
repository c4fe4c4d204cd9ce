"""Engines whose every connection is durable and strict, and proves it.

SQLite: the event recipe of SQLAlchemy's documentation, with BEGIN IMMEDIATE for writers (a deferred BEGIN that later
writes fails at once with SQLITE_BUSY_SNAPSHOT, whatever the busy timeout) and a read-only path that takes no write
lock.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from db.errors import InvalidInput, StoreError

SQLITE_PRAGMAS: dict[str, str | int] = {
    "busy_timeout": 30_000,
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
}
POSTGRESQL_SETTINGS = {"synchronous_commit": "on", "TimeZone": "UTC", "lock_timeout": "30s"}
POSTGRESQL_NETWORK = {  # a cable that was pulled is noticed within a minute, not after the kernel's two hours
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg", "sqlite": "sqlite"}


def normalize_url(url: str | None, home: Path) -> URL:
    """Turn any common form of a database address into SQLAlchemy's; None is the file in `home`.

    Raises:
        InvalidInput: for an address that is neither SQLite nor PostgreSQL, or lives in memory only.
    """
    if not url:
        return URL.create("sqlite", database=str(home / "borderline.db"))
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidInput(
            "expected a database URL such as postgresql://user@host/name, got one that cannot be read; "
            "do: mend the address (BORDERLINE_DATABASE_URL), or leave it out to use a file in the home folder"
        ) from error
    family = parsed.drivername.split("+")[0]
    if family not in _DRIVERS:
        raise InvalidInput(
            f"expected a sqlite or postgresql URL, got {family!r}; "
            f"do: mend the address (BORDERLINE_DATABASE_URL), or leave it out to use a file in {home}"
        )
    if family == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise InvalidInput("expected a SQLite file, got a database in memory; name a file or leave the URL out")
    return parsed.set(drivername=_DRIVERS[family])


def connect_engine(url: URL, *, pooled: bool = True) -> Engine:
    """Create the engine for a normalized URL; nothing is opened yet."""
    if url.get_backend_name() == "sqlite":
        sqlite: dict[str, Any] = {"connect_args": {"timeout": 30}} if pooled else {"poolclass": NullPool}
        engine = create_engine(url, hide_parameters=True, **sqlite)  # values may be secrets; errors get into logs
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    pool: dict[str, Any] = (
        {"pool_size": 5, "max_overflow": 15, "pool_pre_ping": True} if pooled else {"poolclass": NullPool}
    )
    engine = create_engine(url, hide_parameters=True, connect_args=POSTGRESQL_NETWORK, **pool)
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we emit BEGIN
    for pragma, wanted in SQLITE_PRAGMAS.items():
        connection.execute(f"PRAGMA {pragma}={wanted}").fetchall()
    for pragma, wanted in SQLITE_PRAGMAS.items():
        found = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
        if found != wanted:
            raise StoreError(f"expected SQLite's {pragma} to be {wanted}, got {found}; keep it on a local disk")


def _begin_sqlite(connection: Connection) -> None:
    readonly = bool(connection.get_execution_options().get("readonly"))
    connection.exec_driver_sql(f"PRAGMA query_only={int(readonly)}")
    connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    before, connection.autocommit = connection.autocommit, True
    for name, wanted in POSTGRESQL_SETTINGS.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, wanted))
        found = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()[0]
        if found != wanted:
            raise StoreError(f"expected PostgreSQL's {name} to be {wanted}, got {found}; allow this user to set it")
    connection.autocommit = before
