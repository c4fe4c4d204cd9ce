"""What a person who looks after a store wants to know of it: for whoever is at the machine, shown on no page.

Nothing here changes anything, and nothing here shows what people answered.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Column, Engine, UniqueConstraint, func, inspect, select, text

from db.clock import now
from db.connections import POSTGRESQL_SETTINGS, SQLITE_PRAGMAS
from db.engine import Database
from db.files import named, needed, used
from db.jobs import STALE_AFTER_MS
from db.records import StoredFile
from db.tables import Base, ClaimRow, JobRow, ProjectRow, RoundRow

# Made by migrations, by engine; a test holds both against a new store.
TRIGGERS = {
    "sqlite": {
        "annotation_events_no_delete",
        "annotation_events_no_update",
        "samples_no_synthetic_insert",
        "samples_no_synthetic_update",
        "synthetic_events_no_delete",
        "synthetic_events_no_update",
    },
    "postgresql": {
        "annotation_events_no_delete",
        "annotation_events_no_truncate",
        "annotation_events_no_update",
        "samples_no_synthetic",
        "synthetic_events_no_change",
        "synthetic_events_no_truncate",
    },
}
_SERVER_WIDE = {"fsync": "on", "full_page_writes": "on"}
_LIVE_TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')",
}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A setting of the engine as it was read back, and what it has to be so that a saved answer stays saved."""

    name: str
    found: str
    wanted: str


@dataclass(frozen=True, kw_only=True)
class ProjectSpace:
    """A project, live or deleted, with what its files take and whether work of it is under way."""

    id: int
    name: str
    bytes: int
    quiet: bool


def settings(database: Database) -> list[Setting]:
    """Read back, on a connection of the pool, what every connection is told."""
    if database.dialect == "sqlite":
        wanted = {name: str(value) for name, value in SQLITE_PRAGMAS.items()}
        ask = "PRAGMA {}"
    else:
        wanted, ask = {**POSTGRESQL_SETTINGS, **_SERVER_WIDE}, "SHOW {}"
    with database.engine.execution_options(readonly=True).connect() as connection:
        found = {name: connection.exec_driver_sql(ask.format(name)).scalar_one() for name in wanted}
    return [Setting(name=name, found=str(found[name]), wanted=value) for name, value in wanted.items()]


def damage(database: Database) -> list[str]:
    """Return what the engine's own checks find; reads the whole file on SQLite."""
    with database.engine.execution_options(readonly=True).connect() as connection:
        if database.dialect == "postgresql":
            loose = "SELECT conrelid::regclass || ': ' || conname FROM pg_constraint WHERE NOT convalidated"
            return [f"a rule that was never checked: {name}" for (name,) in connection.execute(text(loose))]
        lines = connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars()
        found = [f"integrity_check: {line}" for line in lines if line != "ok"]
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(20)
    return [*found, *(f"row {row} of {table} refers to a missing row of {parent}" for table, row, parent, _ in broken)]


def missing_rules(database: Database) -> list[str]:
    """Return the unique indexes, references and triggers that this version counts on and that are not there."""
    return [*_missing_uniques(database.engine), *_missing_keys(database.engine), *_missing_triggers(database)]


def _missing_uniques(engine: Engine) -> Iterator[str]:
    inspector = inspect(engine)
    for table in Base.metadata.sorted_tables:
        there = {str(entry["name"]) for entry in inspector.get_indexes(table.name) if entry["unique"]}
        there |= {str(entry["name"]) for entry in inspector.get_unique_constraints(table.name)}
        wanted = {str(index.name) for index in table.indexes if index.unique}
        wanted |= {str(rule.name) for rule in table.constraints if isinstance(rule, UniqueConstraint)}
        yield from (f"the unique index {name} of {table.name}" for name in sorted(wanted - there))


def _missing_keys(engine: Engine) -> Iterator[str]:
    inspector = inspect(engine)
    for table in Base.metadata.sorted_tables:
        there = {tuple(entry["constrained_columns"]) for entry in inspector.get_foreign_keys(table.name)}
        for rule in table.foreign_key_constraints:
            columns = tuple(entry.name for entry in rule.columns if isinstance(entry, Column))
            if columns not in there:
                yield f"the reference of {table.name} ({', '.join(columns)})"


def _missing_triggers(database: Database) -> Iterator[str]:
    with database.engine.execution_options(readonly=True).connect() as connection:
        there = set(connection.execute(text(_LIVE_TRIGGERS[database.dialect])).scalars())
    yield from (f"the trigger {name}" for name in sorted(TRIGGERS[database.dialect] - there))


def clock_ahead_ms(database: Database) -> int:
    """Return by how many ms this machine's clock is ahead of the database's (negative: behind)."""
    before = time.time()
    there = database.read(now)
    return round((before + time.time()) / 2 * 1000) - there


def stale(database: Database) -> dict[str, int]:
    """Return how many leases are over and not taken back yet, and how many jobs have no heartbeat."""
    return database.read(
        lambda session: {
            "leases": session.query(ClaimRow)
            .where(ClaimRow.state == "leased", ClaimRow.expires_at < now(session))
            .count(),
            "jobs": session.query(JobRow)
            .where(JobRow.state == "running", JobRow.heartbeat_at < now(session) - STALE_AFTER_MS)
            .count(),
        }
    )


def stored_files(database: Database) -> list[StoredFile]:
    """Return every file that something refers to, by path."""
    return database.read(lambda session: list(needed(session)))


def named_files(database: Database, project_id: int) -> set[str]:
    """Return the path of every file of a project that any row names."""
    return database.read(lambda session: named(session, project_id))


def projects(database: Database) -> list[ProjectSpace]:
    """Return every project there is, deleted ones too, with its size and whether nothing works on it."""
    running = select(JobRow.id).where(JobRow.project_id == ProjectRow.id, JobRow.state == "running").exists()
    begun = select(RoundRow.id).where(RoundRow.project_id == ProjectRow.id, RoundRow.state == "preparing").exists()
    statement = select(ProjectRow.id, ProjectRow.name, ~(running | begun)).order_by(ProjectRow.id)
    return database.read(
        lambda session: [
            ProjectSpace(id=number, name=name, bytes=used(session, number), quiet=bool(quiet))
            for number, name, quiet in session.execute(statement).all()
        ]
    )


def size(database: Database) -> int:
    """Return how many bytes the database has, without SQLite's log."""
    if database.dialect == "postgresql":
        return int(
            database.read(
                lambda session: session.execute(select(func.pg_database_size(func.current_database()))).scalar_one()
            )
        )
    pages = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    return int(database.read(lambda session: session.execute(text(pages)).scalar_one()))
