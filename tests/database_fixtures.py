"""A fresh store a test, on SQLite and on a real PostgreSQL that the tests start themselves, cheaply from a template.

`database` runs a test on both engines. `sqlite_place` and `postgresql_place` give an address of one's own for tests
that start processes. The server: TEST_DATABASE_URL (an administrator's URL), else the system's binaries, as the user
`postgres` when run by root, on a unix socket in a temporary folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from argon2 import PasswordHasher

from db import passwords
from db.engine import Database
from tests.postgresql_cluster import Cluster, binaries
from tests.support import require

TEMPLATE = f"borderline_template_{os.getpid()}"


@dataclass(frozen=True)
class Place:
    """Where a store is: what another process needs to open it."""

    url: str | None
    home: Path

    def open(self, *, migrate: bool = False) -> Database:
        return Database.open(self.url, home=self.home, migrate=migrate)


@dataclass
class Server:
    """A running PostgreSQL; `address` makes the URL of one of its databases."""

    admin: str
    made: int = 0

    def address(self, name: str) -> str:
        head, _, options = self.admin.partition("?")
        return f"{head.rsplit('/', 1)[0]}/{name}" + (f"?{options}" if options else "")

    def run(self, statement: str) -> None:
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(statement.encode())

    def create(self, template: str = "template1") -> str:
        self.made += 1
        name = f"borderline_test_{os.getpid()}_{self.made}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield Server(given.replace("postgresql+psycopg://", "postgresql://"))
        return
    require(binaries(), "no PostgreSQL binaries; install the package postgresql or set TEST_DATABASE_URL")
    with running_server("fsync=off") as server:
        yield server


@contextmanager
def running_server(*more: str, port: int | None = None) -> Iterator[Server]:
    """Start a PostgreSQL of its own in a temporary folder, with these settings beside the usual.

    With a port it also listens on 127.0.0.1, where it asks for passwords.
    """
    cluster = Cluster(*more, port=port)
    try:
        cluster.initialize()
        cluster.start()
        yield Server(cluster.admin)
    finally:
        cluster.remove()  # at once: nothing in it is worth keeping


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A name of this process's own: two may test against one server."""
    postgresql_server.run(f"CREATE DATABASE {TEMPLATE}")
    Database.open(postgresql_server.address(TEMPLATE), home=tmp_path_factory.mktemp("template")).close()
    yield TEMPLATE
    postgresql_server.drop(TEMPLATE)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("template")
    Database.open(None, home=home).close()
    return home / "borderline.db"


@pytest.fixture
def sqlite_place(sqlite_template: Path, tmp_path: Path) -> Place:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(sqlite_template, home / "borderline.db")
    return Place(None, home)


@pytest.fixture
def postgresql_place(postgresql_server: Server, postgresql_template: str, tmp_path: Path) -> Iterator[Place]:
    name = postgresql_server.create(postgresql_template)
    yield Place(postgresql_server.address(name), tmp_path / "home")
    postgresql_server.drop(name)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def place(request: pytest.FixtureRequest) -> Place:
    """An address with tables, on each engine."""
    found = request.getfixturevalue(f"{request.param}_place")
    assert isinstance(found, Place)
    return found


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def empty_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An address without tables, on each engine."""
    if request.param == "sqlite":
        yield Place(None, tmp_path / "home")
        return
    server: Server = request.getfixturevalue("postgresql_server")
    name = server.create()
    yield Place(server.address(name), tmp_path / "home")
    server.drop(name)


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The real argon2id with the smallest parameters, for tests that are not about its cost."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._nobody.cache_clear()
    yield
    passwords._nobody.cache_clear()


@pytest.fixture
def database(place: Place) -> Iterator[Database]:
    """An open store, on each engine."""
    with place.open() as opened:
        yield opened
