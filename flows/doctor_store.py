"""The doctor's look at the database: schema, durability, rules, leases, jobs, clock and size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from db import inspection, jobs, schema
from db.engine import Database
from db.records import Job
from db.space import shown
from flows.doctor import Finding, Level, finding
from flows.retries import needs_a_person

WAL_ALARM = 64_000_000
CLOCK_ALARM_MS = 5000
_ANSWERS = "answers could be lost: "


def examine(database: Database) -> Iterator[Finding]:
    """Yield the findings, the most fundamental first."""
    yield finding(
        "database", f"{database.dialect}, schema {schema.head_revision()}, {shown(inspection.size(database))}"
    )
    yield from _durability(database)
    yield from _order(database)
    yield from _log(database)
    yield from _clock(database)
    yield from _work(database)


def _durability(database: Database) -> Iterator[Finding]:
    found = inspection.settings(database)
    for one in found:
        if one.found.lower() != one.wanted.lower():
            said = f"{one.name} is {one.found}, not {one.wanted}"
            where = "local disk" if database.dialect == "sqlite" else "PostgreSQL's configuration"
            yield finding("durability", said, "problem", f"{_ANSWERS}see to the {where}")
    if all(one.found.lower() == one.wanted.lower() for one in found):
        yield finding("durability", ", ".join(f"{one.name}={one.found}" for one in found))


def _order(database: Database) -> Iterator[Finding]:
    damage, missing = inspection.damage(database), inspection.missing_rules(database)
    for line in damage:
        yield finding("integrity", line, "problem", "stop everything, keep the file, restore the last backup")
    if not damage:
        yield finding("integrity", "no damage, no broken references")
    for line in missing:
        yield finding("rules", f"{line} is missing", "problem", "somebody changed the database: restore a backup")
    if not missing:
        yield finding("rules", "all unique indexes, references and triggers are there")


def _log(database: Database) -> Iterator[Finding]:
    if database.dialect != "sqlite":
        return
    log = Path(f"{database.engine.url.database}-wal")
    size = log.stat().st_size if log.exists() else 0
    yield finding(
        "write-ahead log",
        shown(size),
        "warn" if size > WAL_ALARM else None,
        "a reader keeps it from shrinking: restart the page and the runner",
    )


def _clock(database: Database) -> Iterator[Finding]:
    ahead = inspection.clock_ahead_ms(database)
    bad = abs(ahead) > CLOCK_ALARM_MS
    do = "leases go by the database's clock and are right; set this machine's (NTP), so that logs agree"
    yield finding("clock", f"this machine is {ahead / 1000:+.1f} s from the database", "warn" if bad else None, do)


def _work(database: Database) -> Iterator[Finding]:
    stale = inspection.stale(database)
    yield finding("leases", f"{stale['leases']} are over and are given anew at the next claim")
    do = "it is taken up again within five minutes where borderline up or borderline worker runs"
    yield finding("jobs", f"{stale['jobs']} without a heartbeat", "warn" if stale["jobs"] else None, do)
    for project in inspection.projects(database):
        last = jobs.latest(database, project.id, "round")
        if needs_a_person(last):
            yield finding("rounds", _failed(project.name, last), "warn", f"borderline round {project.name}")

    saved = jobs.latest(database, None, "backup")
    if saved is not None and saved.state == "failed":
        level: Level = "problem" if needs_a_person(saved) else "warn"
        yield finding("last backup", f"it failed: {saved.error}", level, "mend what it says, then borderline backup")


def _failed(name: str, last: Job | None) -> str:
    return f"those of {name!r} wait for a person: {last.error if last is not None else ''}"
