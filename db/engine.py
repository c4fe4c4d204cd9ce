"""Open the store and run units of work, each in one transaction that is retried as a whole."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db import redaction, schema
from db.connections import connect_engine, normalize_url
from db.crash_points import AFTER_COMMIT, BEFORE_COMMIT, reach
from db.errors import Conflict, StoreBusy, StoreError, StoreFull
from db.retry import PATIENCE_SECONDS, RACES_LOST_AT_MOST, cannot_write, is_busy, is_lost_race, pause

T = TypeVar("T")


class Database:
    """The store of one BORDERLINE_HOME. Safe to share between threads, and to use after a fork.

    Attributes:
        home: the folder that relative paths in the store start from.
        url: the address without its password.
        dialect: 'sqlite' or 'postgresql'.
    """

    def __init__(self, url: URL, home: Path) -> None:
        redaction.hide(url.password)
        self._address = url
        self.home = home
        self.url = url.render_as_string(hide_password=True)
        self.dialect = url.get_backend_name()
        self._connect()

    @classmethod
    def open(cls, url: str | None = None, *, home: Path, migrate: bool = True) -> Database:
        """Open the store, creating or upgrading its tables; any number of processes may do so at once.

        Args:
            url: None for the SQLite file in `home`, or a sqlite or postgresql URL.
            home: BORDERLINE_HOME; created with mode 0700 when missing.
            migrate: False only checks that the tables are those this version needs.

        Raises:
            InvalidInput: if the URL cannot be used.
            SchemaTooNew: if a newer Borderline wrote the database.
            SchemaError: if the tables are older and `migrate` is False.
            StoreError: if the database cannot be reached.
        """
        home = Path(home).expanduser().absolute()
        for folder in (home, home / "run"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = cls(normalize_url(url, home), home)
        try:
            schema.prepare(database.engine, home, migrate=migrate)
        except DBAPIError as error:
            database.close()
            raise StoreError(
                f"expected a database at {database.url}, got: {error.orig}; check the address and its server"
            ) from error
        except BaseException:
            database.close()
            raise
        return database

    def _connect(self) -> None:
        self._engine = connect_engine(self._address)
        self._process = os.getpid()
        self._turn = threading.Lock()  # fair turns among this process's threads; SQLite's busy wait has no queue

    @property
    def engine(self) -> Engine:
        """This process's engine; after a fork the child gets its own and leaves the parent's connections alone."""
        if self._process != os.getpid():
            self._engine.dispose(close=False)
            self._connect()
        return self._engine

    def write(self, work: Callable[[Session], T], *, idempotent: bool = False) -> T:
        """Run `work` in one transaction and commit; run it again from the start if the database was busy.

        Args:
            work: gets a session; must not have effects outside of it.
            idempotent: a second run does no harm, so that it is also retried when the connection broke at COMMIT.

        Raises:
            StoreBusy: if it stayed busy for a minute, or broke at COMMIT so that nobody knows if it is saved.
            StoreFull: if the database's disk is full or fails; nothing was saved.
            Conflict: if a unique index refused it again and again.
        """
        deadline, races, attempt = time.monotonic() + PATIENCE_SECONDS, 0, 0
        while True:
            try:
                return self._attempt(work, idempotent=idempotent)
            except DBAPIError as error:
                races += is_lost_race(error)
                if is_lost_race(error) and races >= RACES_LOST_AT_MOST:
                    raise Conflict(f"expected a value of its own, got one that is taken: {error.orig}") from error
                if cannot_write(error):
                    raise StoreFull(
                        f"expected room on the database's disk, got: {error.orig}; this was not saved: make room, then "
                        "try again"
                    ) from error
                if not (is_busy(error) or is_lost_race(error)):
                    raise
                if time.monotonic() > deadline:
                    raise StoreBusy(
                        f"expected the database to be free within a minute, got: {error.orig}; try again"
                    ) from error
            pause(attempt)
            attempt += 1

    def _attempt(self, work: Callable[[Session], T], *, idempotent: bool) -> T:
        engine = self.engine  # first: after a fork it renews the lock, too
        turn = self._turn if self.dialect == "sqlite" else contextlib.nullcontext()
        with turn, Session(engine, expire_on_commit=False) as session:
            result = work(session)
            session.flush()
            reach(BEFORE_COMMIT)
            try:
                session.commit()
            except DBAPIError as error:
                if self.dialect == "postgresql" and error.connection_invalidated and not idempotent:
                    raise StoreBusy(
                        "expected COMMIT to be confirmed, got a broken connection; look before you repeat"
                    ) from error
                raise
            reach(AFTER_COMMIT)
            return result

    def read(self, work: Callable[[Session], T], *, patience: float = PATIENCE_SECONDS) -> T:
        """Run `work` in one read-only transaction; on SQLite it takes no write lock and waits for nobody.

        Args:
            work: gets a session.
            patience: for how many seconds it is tried again while the database is busy or away.

        Raises:
            StoreBusy: if the database could not be reached in that time.
        """
        deadline, attempt = time.monotonic() + patience, 0
        options = {"readonly": True} if self.dialect == "sqlite" else {"postgresql_readonly": True}
        while True:
            try:
                with Session(self.engine.execution_options(**options)) as session:
                    return work(session)
            except DBAPIError as error:
                if not is_busy(error):
                    raise
                if time.monotonic() > deadline:
                    raise StoreBusy(
                        f"expected the database to answer within {patience:.0f} s, got: {error.orig}; try again"
                    ) from error
            pause(attempt)
            attempt += 1

    def close(self) -> None:
        """Close every connection of this process."""
        self.engine.dispose()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
