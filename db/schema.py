"""Bring the tables to this version's form: one process at a time, and never backwards."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from db.errors import SchemaError, SchemaTooNew, StoreError

MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x626F72646572  # 'border': one key for everybody who upgrades this database


def configuration() -> Config:
    """Alembic's configuration for the migrations in this package."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def prepare(engine: Engine, home: Path, *, migrate: bool) -> None:
    """Check the schema and upgrade it when asked to; safe to run in many processes at once.

    Raises:
        SchemaTooNew: if the database's revision is unknown to this code.
        SchemaError: if it is older and `migrate` is False, or the tables are not ours.
    """
    if engine.dialect.name == "sqlite":
        with _file_lock(home / "run" / "schema.lock"):  # also around the first connection, which creates the WAL
            _create_private(Path(str(engine.url.database)), migrate=migrate)
            _upgrade_if_needed(engine, migrate=migrate)
        return
    if current_revision(engine) == head_revision():
        return
    with _advisory_lock(engine):
        _upgrade_if_needed(engine, migrate=migrate)


def head_revision() -> str:
    """The newest revision this code knows."""
    return str(ScriptDirectory.from_config(configuration()).get_current_head())


def current_revision(engine: Engine) -> str | None:
    """The revision the database is at; None for a new one."""
    with engine.execution_options(readonly=True).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _upgrade_if_needed(engine: Engine, *, migrate: bool) -> None:
    found, head = current_revision(engine), head_revision()
    if found == head:
        return
    require_known(found)
    if not migrate:
        raise SchemaError(
            f"expected a database of schema {head}, got {found or 'none'}; run any borderline command to upgrade it"
        )
    if found is None and inspect(engine).get_table_names():
        raise SchemaError("expected an empty database or one of Borderline's, got other tables; use another database")
    upgrade(engine)


def require_known(revision: str | None) -> None:
    """Refuse a revision that this code has never heard of; None is a new database.

    Raises:
        SchemaTooNew: if a newer Borderline wrote it.
    """
    known = {script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaTooNew(
            f"expected a database of schema {head_revision()} or older, got {revision}, written by a newer Borderline; "
            "upgrade Borderline or use another BORDERLINE_HOME"
        )


def upgrade(engine: Engine) -> None:
    """Run the migrations that are missing; the caller sees to it that nobody else does."""
    config = configuration()
    config.attributes["connection"] = engine
    command.upgrade(config, "head")


def _create_private(path: Path, *, migrate: bool) -> None:
    if path.exists():
        return
    if not migrate:
        raise SchemaError(f"expected a database at {path}, got none; create one by opening it with migrations on")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"expected to create the database {path}, got: {error.strerror}; check the folder") from error


@contextlib.contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _advisory_lock(engine: Engine) -> Iterator[None]:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
            connection.invalidate()  # its settings were changed: let it go
