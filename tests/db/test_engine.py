"""The store opens safely from everywhere, and no connection is less durable than promised."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db import access, projects
from db.connections import normalize_url
from db.engine import Database
from db.errors import InvalidInput, StoreError
from db.tables import ProjectRow
from tests.database_fixtures import Place
from tests.db.scenes import make_scene, scalar

PRAGMAS = {"busy_timeout": 30_000, "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}  # 2 is FULL


def test_every_pooled_sqlite_connection_has_its_pragmas(sqlite_place: Place) -> None:
    with sqlite_place.open() as database:
        connections = [database.engine.connect() for _ in range(4)]
        for connection in connections:
            raw = connection.connection.driver_connection
            assert raw is not None
            assert {name: raw.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS} == PRAGMAS
            connection.close()


@pytest.mark.postgresql
def test_postgresql_confirms_a_commit_only_when_it_is_durable(postgresql_place: Place) -> None:
    with postgresql_place.open() as database:
        database.write(lambda session: session.execute(text("SELECT 1")))
        assert database.read(lambda session: session.execute(text("SHOW synchronous_commit")).scalar_one()) == "on"


def test_a_new_home_and_its_database_are_private(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    with Database.open(None, home=home) as database:
        assert database.dialect == "sqlite"
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "borderline.db").stat().st_mode) == 0o600


def test_reading_waits_for_no_writer(sqlite_place: Place) -> None:
    with sqlite_place.open() as database, sqlite_place.open() as other:
        access.local_user(database, "ada")
        with other.engine.begin() as writer:  # holds the write lock
            writer.execute(text("UPDATE users SET created_at = created_at"))
            assert scalar(database, "SELECT count(*) FROM users") == 1


def test_a_writer_has_the_write_lock_before_it_reads(sqlite_place: Place) -> None:
    """A deferred BEGIN would fail later, at once and whatever the busy timeout (F2 in reliability.md)."""

    def work(session: Session) -> None:
        session.execute(text("SELECT 1"))
        other = sqlite3.connect(sqlite_place.home / "borderline.db", timeout=0, isolation_level=None)
        with contextlib.closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")

    with sqlite_place.open() as database:
        database.write(work)


def test_reading_cannot_write(database: Database) -> None:
    access.local_user(database, "ada")
    with pytest.raises((DBAPIError, StoreError), match=r"readonly|read-only"):
        database.read(lambda session: session.execute(text("UPDATE users SET created_at = 1")))
    database.write(lambda session: session.execute(text("UPDATE users SET created_at = 1")))


def test_work_that_fails_leaves_nothing(database: Database) -> None:
    def work(session: object) -> None:
        session.execute(text("INSERT INTO outbox (topic, payload, created_at) VALUES ('x', '{}', 1)"))
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        database.write(work)
    assert scalar(database, "SELECT count(*) FROM outbox") == 0


def test_threads_lose_no_update(database: Database) -> None:
    scene = make_scene(database, images=0)
    bump = text("UPDATE projects SET seed = :seed WHERE id = :id")

    def add(session: object) -> None:
        seed = session.execute(select(ProjectRow.seed).with_for_update()).scalar_one()
        session.execute(bump, {"seed": seed + 1, "id": scene.id})

    threads = [threading.Thread(target=lambda: [database.write(add) for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert projects.get_project(database, scene.ada, scene.id).seed == 40


def test_a_forked_child_gets_connections_of_its_own(place: Place) -> None:
    with place.open() as database:
        access.local_user(database, "ada")
        parents = database.engine
        child = os.fork()
        if child == 0:  # nothing of pytest may run in here
            try:
                access.local_user(database, "child")
                os._exit(int(database.engine is parents))
            except BaseException:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        assert scalar(database, "SELECT count(*) FROM users") == 2


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        (None, "sqlite"),
        ("sqlite:////tmp/x.db", "sqlite"),
        ("postgres://u@h/n", "postgresql+psycopg"),
        ("postgresql://u@h/n", "postgresql+psycopg"),
        ("postgresql+psycopg2://u@h/n", "postgresql+psycopg"),
    ],
)
def test_addresses_in_any_common_form(given: str | None, driver: str, tmp_path: Path) -> None:
    assert normalize_url(given, tmp_path).drivername == driver


@pytest.mark.parametrize("given", ["mysql://u@h/n", "sqlite://", "sqlite:///:memory:", "nonsense"])
def test_other_addresses_are_refused(given: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="expected"):
        normalize_url(given, tmp_path)


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as raised:
        Database.open("postgresql://u:hunter2@127.0.0.1:1/n", home=tmp_path)
    assert "hunter2" not in str(raised.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "borderline.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="expected a database"):
        Database.open(None, home=tmp_path)
