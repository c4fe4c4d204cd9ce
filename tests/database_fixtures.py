"""A fresh store a test, on SQLite and on a real PostgreSQL that the tests start themselves, cheaply from a template.

`database` runs a test on both engines. `sqlite_place` and `postgresql_place` give an address of one's own for tests
that start processes. The server: TEST_DATABASE_URL (an administrator's URL), else the system's binaries, as the user
`postgres` when run by root, on a unix socket in a temporary folder.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from argon2 import PasswordHasher

from db import passwords
from db.engine import Database
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


def binaries() -> Path | None:
    """The folder of initdb and pg_ctl, the newest first; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[4]), reverse=True)
    on_path = shutil.which("pg_ctl")
    return found[0].parent if found else (Path(on_path).resolve().parent if on_path else None)


def _as_ordinary_user() -> list[str]:
    """PostgreSQL refuses root; and a server must not outlive tests that were killed."""
    user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", "--pdeathsig=QUIT", *user]


def _wait_until_ready(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            return server.run("SELECT 1")
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"PostgreSQL did not start:\n{log.read_text()}") from None
            time.sleep(0.05)


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
    bin_folder = binaries()
    assert bin_folder is not None, "no PostgreSQL binaries; install the package postgresql"
    folder = Path(tempfile.mkdtemp(prefix="bl-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    prefix, data, log = _as_ordinary_user(), str(folder / "data"), folder / "log"
    settings = [*more, "max_connections=200", "deadlock_timeout=200ms"]
    settings += ["listen_addresses="] if port is None else ["listen_addresses=127.0.0.1", f"port={port}"]
    options = [part for setting in settings for part in ("-c", setting)]
    try:
        initdb = [
            str(bin_folder / "initdb"),
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "--auth-host=scram-sha-256",
            "-E",
            "UTF8",
            "--no-locale",
            "-N",
        ]
        subprocess.run([*prefix, *initdb], check=True, cwd="/", stdout=subprocess.DEVNULL)
        server = Server(f"postgresql://postgres@/postgres?host={folder}" + (f"&port={port}" if port else ""))
        command = [*prefix, str(bin_folder / "postgres"), "-D", data, "-k", str(folder), *options]
        with log.open("wb") as output, subprocess.Popen(command, cwd="/", stdout=output, stderr=output) as process:
            try:
                _wait_until_ready(server, process, log)
                yield server
            finally:
                process.send_signal(signal.SIGQUIT)  # at once: nothing in it is worth keeping
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
