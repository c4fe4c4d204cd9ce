"""How Alembic reaches the database: from `Database.open`, from tests, and from its own command line.

On SQLite a table is altered by making a new one and dropping the old, which is an implicit DELETE: foreign keys are
switched off before BEGIN (inside a transaction the switch does nothing) and checked before COMMIT.
"""

from __future__ import annotations

import os
from pathlib import Path

from alembic import context
from sqlalchemy import Connection, Engine

from db.connections import connect_engine, normalize_url
from db.errors import SchemaError
from db.secret_files import with_password
from db.tables import Base


def _engine() -> Engine:
    given = context.config.attributes.get("connection")
    if isinstance(given, Engine):
        return given
    home = Path(os.environ.get("BORDERLINE_HOME", "~/.borderline")).expanduser()
    url = context.get_x_argument(as_dictionary=True).get("url") or with_password(
        os.environ.get("BORDERLINE_DATABASE_URL"), os.environ.get("BORDERLINE_DATABASE_PASSWORD_FILE")
    )
    return connect_engine(normalize_url(url, home), pooled=False)


def _run(connection: Connection) -> None:
    sqlite = connection.dialect.name == "sqlite"
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=sqlite,
        transactional_ddl=True,
        compare_type=True,
    )
    context.run_migrations()
    if sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()):
        raise SchemaError(
            f"expected a migration to keep every reference, got {len(broken)} broken; nothing was changed"
        )


def _online() -> None:
    with _engine().connect() as connection:
        if connection.dialect.name != "sqlite":
            with connection.begin():
                _run(connection)
            return
        raw = connection.connection.driver_connection
        if raw is None:
            raise SchemaError("expected an open connection, got none")
        raw.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                _run(connection)
        finally:
            raw.execute("PRAGMA foreign_keys=ON")


if context.is_offline_mode():
    raise SchemaError("expected a database to migrate, got --sql; SQLite's migrations need one")
_online()
