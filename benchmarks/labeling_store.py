"""Eight processes claim and answer 10,000 queries, two answers each: nothing over-assigned, lost or doubled.

Claim: zero of each, on SQLite and PostgreSQL, counted by plain SQL afterwards. Every process is one annotator and sends
one answer in twenty a second time, as a browser does that got no reply. Rates are those of all processes together while
they claim, and while they submit; `seconds` is the whole run.

The product's code locks before it looks, so its own races are rare. What forbids a wrong outcome is a unique index, and
writers that look first and write later show it: after the timed part the same processes do just that, all at the same
moment, for each index. `--drop-index NAME` takes one away first; the benchmark then fails and says by how many.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import inspect, text

from benchmarks.common import arguments, machine, report
from benchmarks.store_workers import INDEXES, OVERLAP, Done, Task, make_project, run_all
from db import access
from db.engine import Database

OVER_ASSIGNED = """
    SELECT count(*) FROM (SELECT q.id FROM queries q JOIN claims c ON c.query_id = q.id
    WHERE c.state IN ('leased', 'done')
    GROUP BY q.id, q.slots HAVING count(*) > q.slots OR count(DISTINCT c.slot) < count(*)) AS found
"""
DOUBLED = {
    "one person twice on a query": """SELECT count(*) FROM (SELECT 1 FROM claims WHERE state IN ('leased', 'done')
        GROUP BY query_id, user_id HAVING count(*) > 1) AS found""",
    "one token twice": """SELECT count(*) FROM (SELECT 1 FROM claims
        GROUP BY query_id, token HAVING count(*) > 1) AS found""",
    "one answer twice in the history": """SELECT count(*) FROM (SELECT 1 FROM annotation_events
        WHERE answer_id IS NOT NULL GROUP BY answer_id HAVING count(*) > 1) AS found""",
    "one answer twice": """SELECT count(*) FROM (SELECT 1 FROM annotations
        GROUP BY answer_id HAVING count(*) > 1) AS found""",
    "two answers of a person stand": """SELECT count(*) FROM (SELECT 1 FROM annotations WHERE withdrawn_at IS NULL
        GROUP BY query_id, user_id HAVING count(*) > 1) AS found""",
    "two labels of an image": """SELECT count(*) FROM (SELECT 1 FROM labels
        GROUP BY sample_id HAVING count(*) > 1) AS found""",
}
UNFINISHED = """
    SELECT count(*) FROM (SELECT q.id FROM queries q LEFT JOIN annotations a ON a.query_id = q.id
    WHERE q.project_id = :project GROUP BY q.id HAVING count(a.id) <> :overlap) AS found
"""


def main() -> None:
    """Measure both engines; BORDERLINE_DATABASE_URL names a PostgreSQL, else one is started."""
    given = arguments(__doc__, queries=10_000, processes=8, engines="sqlite,postgresql", drop_index="", careless=10)
    if given.quick:
        given.queries, given.careless = 200, 3
    if unknown := set(_names(given.drop_index)) - set(INDEXES):
        sys.exit(f"expected indexes out of {', '.join(INDEXES)}, got {', '.join(unknown)}")
    rows = [measure(engine, given) for engine in given.engines.split(",")]
    path, given.json = given.json, None
    report("Labeling store: claim and submit", rows, given)
    if path:
        path.write_text(json.dumps({"engines": rows, "machine": machine()}, indent=2) + "\n")
    if any(row["over_assigned"] or row["lost"] or row["doubled"] for row in rows):
        sys.exit("over-assigned, lost or doubled: see the table")


def measure(engine: str, given: Namespace) -> dict[str, Any]:
    """Return the row of one engine."""
    with place(engine) as (url, home):
        with Database.open(url, home=home) as database:
            for rank in range(given.processes):
                access.local_user(database, f"annotator {rank}")
            projects = [make_project(database, "timed", given.queries)]
            projects.append(make_project(database, "careless", given.careless * len(INDEXES)))
            _claims_to_refer_to(database, projects[1].id)
            for name in _names(given.drop_index):
                drop_unique(database, name)
        ids = [project.id for project in projects]
        tasks = [Task(url, home, rank, given.processes, *ids) for rank in range(given.processes)]
        seconds, results = run_all(tasks)
        with Database.open(url, home=home, migrate=False) as database:
            return _row(engine, seconds, results, database, projects[0].id)


def _names(given: str) -> list[str]:
    return [name for name in given.split(",") if name]


def _row(engine: str, seconds: float, results: list[Done], database: Database, project_id: int) -> dict[str, Any]:
    counted = count(database, project_id, {answer for done in results for answer in done.saved})
    claims, submits = sum(done.claims for done in results), sum(done.submits + done.repeats for done in results)
    processes = len(results)
    return {
        "engine": engine,
        "claims_per_second": claims * processes / sum(done.claim_seconds for done in results),
        "submits_per_second": submits * processes / sum(done.submit_seconds for done in results),
        **{name: counted[name] for name in ("over_assigned", "lost", "doubled", "unfinished")},
        "answers": sum(len(done.saved) for done in results),
        "repeats": sum(done.repeats for done in results),
        "seconds": seconds,
        "refused_by_index": sum(sum(done.refused.values()) for done in results),
        "what": "; ".join(counted["what"]) or "nothing wrong",
    }


def count(database: Database, project_id: int, saved: set[str]) -> dict[str, Any]:
    """Count by plain SQL what must not be, whatever the code thinks."""
    with database.engine.connect() as connection:
        over = connection.execute(text(OVER_ASSIGNED)).scalar_one()
        twice = {what: connection.execute(text(sql)).scalar_one() for what, sql in DOUBLED.items()}
        stored = set(connection.execute(text("SELECT answer_id FROM annotations WHERE withdrawn_at IS NULL")).scalars())
        values = {"project": project_id, "overlap": OVERLAP}
        unfinished = connection.execute(text(UNFINISHED), values).scalar_one()
    what = [f"{what}: {number}" for what, number in twice.items() if number]
    if over:
        what.insert(0, f"queries with two people on a slot: {over}")
    lost = len(saved - stored)
    return {
        "over_assigned": over, "lost": lost, "doubled": sum(twice.values()), "unfinished": unfinished, "what": what
    }  # fmt: skip


@contextmanager
def place(engine: str) -> Iterator[tuple[str | None, Path]]:
    """A fresh store: SQLite in a temporary folder, or a PostgreSQL with the durability that a team's has."""
    with tempfile.TemporaryDirectory(prefix="borderline-") as folder:
        if engine == "sqlite":
            yield None, Path(folder)
        elif os.environ.get("BORDERLINE_DATABASE_URL"):
            yield os.environ["BORDERLINE_DATABASE_URL"], Path(folder)
        else:
            from tests.database_fixtures import running_server

            with running_server() as server:
                yield server.address("postgres"), Path(folder)


def _claims_to_refer_to(database: Database, project_id: int) -> None:
    """A released claim for each query of the careless writers, for an annotation must name one."""
    statement = (
        "INSERT INTO claims (query_id, slots, slot, user_id, token, state, claimed_at, expires_at) "
        "SELECT q.id, q.slots, 0, (SELECT min(id) FROM users), 0, 'released', 1, 1 FROM queries q "
        "WHERE q.project_id = :project"
    )
    with database.engine.begin() as connection:
        connection.execute(text(statement), {"project": project_id})


def drop_unique(database: Database, name: str) -> None:
    """Take a unique index or constraint away."""
    if database.dialect == "sqlite":
        _drop_on_sqlite(database, name)
        return
    with database.engine.begin() as connection:
        table = "SELECT conrelid::regclass::text FROM pg_constraint WHERE conname = :name"
        found = connection.execute(text(table), {"name": name}).scalar_one_or_none()
        connection.execute(text(f"ALTER TABLE {found} DROP CONSTRAINT {name}" if found else f"DROP INDEX {name}"))


def _drop_on_sqlite(database: Database, name: str) -> None:
    """SQLite drops an index, but a constraint only with its table: that is made anew with its rows."""
    with database.engine.connect() as connection:
        parts = connection.execute(text("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        parts = [tuple(part) for part in parts]
    if any(part[:2] == ("index", name) for part in parts):
        with database.engine.begin() as connection:
            connection.execute(text(f"DROP INDEX {name}"))
        return
    with database.engine.connect() as connection:
        tables = inspect(connection)
        table = next(
            table
            for table in tables.get_table_names()
            if name in {found["name"] for found in tables.get_unique_constraints(table)}
        )
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table(table) as batch:
            batch.drop_constraint(name, type_="unique")
        for kind, _, of, made in parts:  # the new table has the old one's indexes, not its triggers
            if (kind, of) == ("trigger", table):
                connection.execute(text(made))
        connection.commit()


if __name__ == "__main__":
    main()
