"""The store of every released schema comes to today's with all that is in it, on both engines, killed or not.

The rows in tests/db/released were written by the code of each release (populate.py there says how). pytest-alembic's
checks and tests/db/test_migrations.py are about the steps; this is about what a team finds after an upgrade.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, text

from db import access, audit, export, labels, projects, rounds, schema
from db.connections import connect_engine, normalize_url
from db.errors import SchemaError
from tests.database_fixtures import Place
from tests.db.scenes import Scene

RELEASED = Path(__file__).parent / "released"
REVISIONS = sorted(path.stem for path in RELEASED.glob("*.sql"))
Contents = dict[str, tuple[list[str], int, str]]  # by table: columns, rows, hash of them

MIGRATIONS = {  # sha256 of what was released: a store out there went through this text, so it is never changed
    "0001": "77b69f2536004075f967b78bd4fab9c2d478bd2d16d6a265c239ed14b778dd6b",
    "0002": "da76a79392865fd4ce2fc1a00d5b4e3ff8c10fe3ffa6c915ef8da2e1a17c408e",
    "0003": "86b6b892abfe063597cfda87045ce9a46f4ff7ec6f8a956f111bb2281791c15f",
    "0004": "d148009e6d9dace483834622ccafcc5cb85d6fceb224cfa51b8c0adfc52f0af0",
    "0005": "dc506262316371aaeafd6e32974472122a1cfbcac6270716a46ffd0f19863ff7",
    "0006": "627c9cea751b6db54c7e0da80c9740bb191c3e4f81befe993c6ee9f819aaa0ac",
}


def test_there_is_a_store_of_every_release_but_the_newest() -> None:
    known = sorted(path.name[:4] for path in (schema.MIGRATIONS / "versions").glob("0*.py"))
    assert known[-1] == schema.head_revision()
    assert known[:-1] == REVISIONS


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_released_migration_is_never_edited(revision: str) -> None:
    [file] = (schema.MIGRATIONS / "versions").glob(f"{revision}_*.py")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == MIGRATIONS[revision]


def restore(place: Place, revision: str) -> Engine:
    """Make the tables of a release and put its rows into them."""
    place.home.mkdir(parents=True, exist_ok=True)
    engine = connect_engine(normalize_url(place.url, place.home))
    config = schema.configuration()
    config.attributes["connection"] = engine
    command.upgrade(config, revision)
    rows = (RELEASED / f"{revision}.sql").read_text(encoding="utf-8")
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.connection.driver_connection.executescript(rows)
            return engine
        connection.exec_driver_sql(rows)
        for table, columns in columns_of(engine).items():
            if "id" in columns:
                next_id = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
                connection.exec_driver_sql(next_id)
    return engine


def columns_of(engine: Engine) -> dict[str, list[str]]:
    found = inspect(engine).get_multi_columns()
    return {table: sorted(str(column["name"]) for column in columns) for (_, table), columns in found.items()}


def contents(engine: Engine, of: Contents | None = None) -> Contents:
    """Read every table (or those and the columns that held something before): how many rows, and a hash of them."""
    columns = columns_of(engine)
    del columns["alembic_version"]
    wanted = columns if of is None else {name: found[0] for name, found in of.items()}
    for name, each in wanted.items():
        assert set(each) <= set(columns[name])  # SQLite takes the name of a column that is gone for a text
    found = {name: (each, *_hashed(engine, name, each)) for name, each in wanted.items()}
    return {name: entry for name, entry in found.items() if entry[1]}  # an empty table may be made anew


def _hashed(engine: Engine, table: str, columns: list[str]) -> tuple[int, str]:
    names = ", ".join(f'"{name}"' for name in columns)
    with engine.connect() as connection:
        rows = sorted(repr(tuple(row)) for row in connection.execute(text(f"SELECT {names} FROM {table}")))
    return len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest()


def people_go_on(place: Place) -> None:
    """What everybody does the day after: labels are as their history says, answers are taken, results come out."""
    with place.open() as database:
        ada = access.local_user(database, "ada")
        scene = Scene(database, access.system_actor(database), ada, projects.get_project(database, ada, "zoo"))
        assert len(scene.labels()) >= 6
        assert labels.rebuild(database) == {**scene.labels()}
        before, events = scene.labels(), scene.events()
        for query in scene.claim(ada, 3):
            scene.submit(ada, query, "owl")
        assert scene.events() == events + 3
        assert len(scene.labels()) == len(before) + 3
        assert labels.rebuild(database) == scene.labels()
        assert len(list(export.labels(database, ada, scene.id))) >= len(before)
        assert rounds.due(database)
        assert "annotation_event" in {entry["what"] for entry in audit.entries(database, ada)}


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_store_of_each_release_comes_to_today_whole(empty_place: Place, revision: str) -> None:
    engine = restore(empty_place, revision)
    before = contents(engine)
    assert before["labels"][1] >= 6
    assert before["annotation_events"][1] >= 20
    with pytest.raises(SchemaError, match=f"got {revision}"):
        empty_place.open(migrate=False)
    empty_place.open(migrate=True).close()
    assert schema.current_revision(engine) == schema.head_revision()
    assert contents(engine, before) == before
    engine.dispose()
    people_go_on(empty_place)


UPGRADE = """
import os, sys, time
from pathlib import Path
from sqlalchemy import Engine, event
from db.engine import Database

@event.listens_for(Engine, "before_cursor_execute")
def stop(connection, cursor, statement, parameters, context, many):
    if sys.argv[3] in " ".join(statement.split()):
        print("here", flush=True)
        time.sleep(600)

Database.open(sys.argv[1] or None, home=Path(sys.argv[2]))
"""


@pytest.mark.parametrize(
    "where", ["CREATE TABLE gold", f"UPDATE alembic_version SET version_num='{schema.head_revision()}'"]
)
def test_an_upgrade_that_is_killed_changes_nothing_and_can_be_made_again(empty_place: Place, where: str) -> None:
    engine = restore(empty_place, "0001")
    before = contents(engine)
    engine.dispose()
    program = [sys.executable, "-c", UPGRADE, empty_place.url or "", str(empty_place.home), where]
    environment = {**os.environ, "PYTHONPATH": str(Path(schema.__file__).parents[1])}
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"  # it stands in the midst of the upgrade
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    assert schema.current_revision(engine) == "0001"
    assert contents(engine) == before
    empty_place.open(migrate=True).close()
    assert contents(engine, before) == before
    engine.dispose()
    people_go_on(empty_place)
