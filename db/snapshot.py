"""The whole store at one moment as a SQLite file of its own, taken while people go on labeling.

Copying a live SQLite file is no backup: what was committed last is still in its write-ahead log, and the copy passes
every check without it. `VACUUM INTO` reads one snapshot, the log included. From PostgreSQL all tables are read in one
REPEATABLE READ transaction, into a SQLite file of the same schema.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, create_engine, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from db import schema
from db.access import authorize
from db.clock import now
from db.connections import connect_engine
from db.engine import Database
from db.errors import StoreError
from db.files import needed
from db.records import Actor, Original, Role, StoredFile
from db.tables import SampleRow
from db.transfer import copy_rows

_ROWS_AT_ONCE = 5000


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a snapshot holds.

    Attributes:
        revision: of its schema.
        counts: rows by table.
        problems: what SQLite's own checks and its references say; empty is good.
    """

    revision: str
    counts: dict[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def save(database: Database, actor: Actor, target: Path) -> int:
    """Write every row of the store, as of one moment, into a new SQLite file; it is on disk when this returns.

    Returns:
        A moment before the snapshot, by the database's clock: every answer acknowledged before it is inside.

    Raises:
        PermissionDenied: below administrator.
        StoreError: if the file exists, or holds less than the store.
    """

    def begin(session: Session) -> int:
        authorize(session, actor, None, Role.administrator)
        return now(session)

    at = database.read(begin)
    if target.exists():
        raise StoreError(f"expected a new file, got {target}, which exists; choose another")
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    if database.dialect == "sqlite":
        _vacuum_into(database, target)
    else:
        _pull(database, target)
    seal(target)
    return at


def _vacuum_into(database: Database, target: Path) -> None:
    with closing(database.engine.raw_connection()) as lent, closing(lent.cursor()) as cursor:
        cursor.execute("PRAGMA query_only=0")  # a reader before us may have left it on
        cursor.execute("VACUUM INTO ?", (str(target),))


def _pull(database: Database, target: Path) -> None:
    file = connect_engine(URL.create("sqlite", database=str(target)), pooled=False)
    schema.upgrade(file)
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with database.engine.connect().execution_options(**options) as source, file.begin() as sink:
        copy_rows(source, sink)
    file.dispose()


def seal(target: Path) -> None:
    """Make it one file, without a log beside it, and flush it: VACUUM INTO leaves that to its caller."""
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    for path in (target, target.parent):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def contents(path: Path) -> Contents:
    """Check a snapshot and count its rows; nothing is written beside it.

    Raises:
        StoreError: if it is no database of Borderline's.
    """
    try:
        with closing(_connect(path)) as connection:
            found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
            tables = [name for (name,) in found if name != "alembic_version" and not name.startswith("sqlite_")]
            [(revision,)] = connection.execute("SELECT version_num FROM alembic_version").fetchall()
            counts = {name: _count(connection, name) for name in tables}
            return Contents(revision=revision, counts=counts, problems=tuple(_problems(connection)))
    except (sqlite3.Error, ValueError) as error:
        raise StoreError(f"expected a database of Borderline's at {path}, got: {error}; take another backup") from error


def _count(connection: sqlite3.Connection, table: str) -> int:
    name = table.replace('"', '""')
    [(count,)] = connection.execute(f'SELECT count(*) FROM "{name}"').fetchall()  # noqa: S608 - a name from its schema
    return int(count)


def _problems(connection: sqlite3.Connection) -> Iterator[str]:
    for (line,) in connection.execute("PRAGMA integrity_check(10)"):
        if line != "ok":
            yield f"integrity_check: {line}"
    broken = connection.execute("PRAGMA foreign_key_check").fetchmany(10)
    for table, row, parent, _ in broken:
        yield f"row {row} of {table} refers to a row of {parent} that is not there"


@contextmanager
def _reading(path: Path) -> Iterator[Session]:
    engine = create_engine("sqlite://", creator=lambda: _connect(path), poolclass=NullPool)
    with Session(engine) as session:
        yield session


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def files_in(path: Path) -> Iterator[StoredFile]:
    """Yield the files that the rows of a snapshot of this version's schema need, by path."""
    with _reading(path) as session:
        yield from needed(session)


def originals_in(path: Path) -> Iterator[Original]:
    """Yield the images that a snapshot's samples were read from and that were left where they lie, by id."""
    lying = SampleRow.source_path.is_not(None), SampleRow.original_file_id.is_(None), SampleRow.deleted_at.is_(None)
    columns = SampleRow.id, SampleRow.project_id, SampleRow.source_path, SampleRow.sha256
    statement = select(*columns).where(*lying).order_by(SampleRow.id).execution_options(yield_per=_ROWS_AT_ONCE)
    with _reading(path) as session:
        for sample_id, project_id, source_path, sha256 in session.execute(statement):
            yield Original(sample_id=sample_id, project_id=project_id, path=source_path, sha256=sha256)
