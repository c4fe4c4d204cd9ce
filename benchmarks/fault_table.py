"""The one table of faults, and the store that each of them is injected into.

A fault is a function of a `Stand` and of how often, and returns an `Outcome`. The suite runs each small
(tests/faults), `python -m benchmarks.faults` with counts.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.invariants import Found
from db.engine import Database
from tests.postgresql_cluster import Cluster, binaries

SQLITE, POSTGRESQL = "sqlite", "postgresql"
BOTH = (SQLITE, POSTGRESQL)
COLUMNS = ("fault", "engine", "injected", "acknowledged", "lost", "doubled", "over_assigned", "bad_hashes")


@dataclass(frozen=True)
class Stand:
    """A fresh store to break.

    Attributes:
        engine: 'sqlite' or 'postgresql'.
        url: The database's address; None is SQLite in `home`.
        home: The home folder.
        cluster: The PostgreSQL server, to be crashed.
    """

    engine: str
    url: str | None
    home: Path
    cluster: Cluster | None = None

    def open(self) -> Database:
        """Open the store, whose tables are there."""
        return Database.open(self.url, home=self.home, migrate=False)

    def __reduce__(self) -> tuple[type[Stand], tuple[Any, ...]]:
        """Travel to another process without the server, which is this one's to crash."""
        return Stand, (self.engine, self.url, self.home)

    @property
    def server(self) -> Cluster:
        """The PostgreSQL server.

        Raises:
            TypeError: The stand is one of SQLite.
        """
        if self.cluster is None:
            raise TypeError("expected a stand of PostgreSQL, got one of SQLite")
        return self.cluster


@dataclass
class Outcome:
    """How often a fault was injected and what became of the answers; `what` says in words what was broken."""

    injected: int
    found: Found
    note: str = ""


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Attributes:
        name: Short, in words.
        injects: What is done, in a sentence for the documentation.
        engines: Where it can be injected.
        run: Injects it so many times and counts.
        count: How often the benchmark injects it.
        small: How often the test suite does.
        control: A losing run: it must lose something, else the run beside it tests nothing.
        settings: Of the PostgreSQL server.
        tested: Engines that the test suite runs it on; None for all of them, () for none: the rest of the suite
            or another fault covers it.
        missing: Says why it cannot be injected here; empty if it can.
    """

    name: str
    injects: str
    engines: tuple[str, ...]
    run: Callable[[Stand, int], Outcome]
    count: int
    small: int
    control: bool = False
    settings: tuple[str, ...] = ()
    tested: tuple[str, ...] | None = None
    missing: Callable[[], str] = lambda: ""


FAULTS: dict[str, Fault] = {}


def fault(name: str, injects: str, **more: Any) -> Callable[[Callable[[Stand, int], Outcome]], Any]:
    """Register a function as a fault; see `Fault` for what can be said of it."""

    def register(run: Callable[[Stand, int], Outcome]) -> Callable[[Stand, int], Outcome]:
        FAULTS[name] = Fault(name=name, injects=injects, run=run, **{"engines": BOTH, **more})
        return run

    return register


def why_not(entry: Fault, engine: str) -> str:
    """Say why a fault cannot be injected here; empty if it can."""
    if engine == POSTGRESQL and binaries() is None:
        return "no PostgreSQL binaries here"
    return entry.missing()


def run_fault(entry: Fault, engine: str, times: int) -> dict[str, Any]:
    """Run a fault on a fresh store; returns its row of the table."""
    with stand(engine, *entry.settings) as place:
        outcome = entry.run(place, times)
    found = {**asdict(outcome.found), "fault": entry.name, "engine": engine, "injected": outcome.injected}
    said = [*outcome.found.what[:5], *([outcome.note] if outcome.note else [])]
    broken = outcome.found.broken
    kept = broken == 0 if not entry.control else outcome.found.lost > 0
    return {**{name: found[name] for name in COLUMNS}, "not_rebuilt": outcome.found.not_rebuilt, "kept": kept,
            "note": "; ".join(said)}  # fmt: skip


@contextmanager
def stand(engine: str, *settings: str) -> Iterator[Stand]:
    """Give a fresh store with tables; on PostgreSQL with a server of its own."""
    with tempfile.TemporaryDirectory(prefix="borderline-") as folder:
        home = Path(folder) / "home"
        if engine == SQLITE:
            home.mkdir(mode=0o700)
            shutil.copy(_sqlite_template(), home / "borderline.db")
            yield Stand(engine, None, home)
            return
        cluster = Cluster(*settings)
        try:
            cluster.copy_from(_postgresql_template())
            cluster.start()
            yield Stand(engine, cluster.admin, home, cluster)
        finally:
            cluster.remove()


@functools.cache
def _sqlite_template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="borderline-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Database.open(None, home=folder).close()
    return folder / "borderline.db"


@functools.cache
def _postgresql_template() -> Cluster:
    """A stopped cluster with all tables: a copy of its folder is made sooner than a cluster."""
    cluster = Cluster()
    atexit.register(cluster.remove)
    cluster.initialize("--wal-segsize=1")  # small segments: a full disk is reached in a second
    cluster.start()
    Database.open(cluster.admin, home=cluster.folder / "home").close()
    cluster.stop()
    return cluster
