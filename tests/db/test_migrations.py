"""Each migration with data in the store, up and down again, on both engines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError

from db import access, comparison_log, labels, projects, pseudo_labels
from db.connections import connect_engine, normalize_url
from db.engine import Database
from db.records import Project, ProjectSpec
from db.schema import configuration
from tests.database_fixtures import Place
from tests.db.comparing import compared, first_run, point
from tests.db.making import judged, made
from tests.db.scenes import CLASSES, Scene, make_scene, new_file

CONTENTS = ("files", "samples", "labels", "rounds", "queries", "annotations", "annotation_events")
ADDED = {"shown"}  # columns of these tables that came later
ADD_FILE = "INSERT INTO files (project_id, kind, path, sha256, size, created_at) SELECT 1, '{}', '{}', sha256, 1, 1 "


@pytest.fixture
def engine(empty_place: Place) -> Iterator[Engine]:
    empty_place.home.mkdir(parents=True, exist_ok=True)
    found = connect_engine(normalize_url(empty_place.url, empty_place.home))
    yield found
    found.dispose()


def zoo(database: Database) -> Project:
    return projects.get_project(database, access.local_user(database, "ada"), "zoo")


def migrate(engine: Engine, revision: str) -> None:
    config = configuration()
    config.attributes["connection"] = engine
    (command.upgrade if revision == "head" else command.downgrade)(config, revision)


def rows(engine: Engine) -> dict[str, list[list[tuple[str, str]]]]:
    """Every row of the first version's columns, as texts."""
    with engine.connect() as connection:
        found = {table: connection.execute(text(f"SELECT * FROM {table} ORDER BY id")).mappings() for table in CONTENTS}
        return {
            table: [sorted((name, str(value)) for name, value in row.items() if name not in ADDED) for row in result]
            for table, result in found.items()
        }


def fill(place: Place) -> None:
    """A project with images, a round, an answer and a round that has pseudo-labels."""
    with place.open(migrate=True) as database:
        scene = make_scene(database)
        scene.ask()
        scene.submit(scene.ada, scene.claim(scene.ada)[0])
        turn = scene.database.read(lambda session: session.execute(text("SELECT max(id) FROM rounds")).scalar_one())
        database.write(lambda session: session.execute(text("UPDATE rounds SET state = 'preparing'")))
        pseudo_labels.record(database, scene.system, turn, new_file("p.npy"), 4)


def test_0002_keeps_every_row_up_and_down_and_an_old_project_as_it_was(empty_place: Place, engine: Engine) -> None:
    fill(empty_place)
    migrate(engine, "0001")  # the store as the first version left it
    old = rows(engine)
    assert "cold_start" not in {column["name"] for column in inspect(engine).get_columns("projects")}
    assert "pseudo_labels" not in inspect(engine).get_table_names()
    assert [row for row in old["files"] if ("path", "p.npy") in row] == []
    assert len(old["samples"]) == 30
    assert len(old["labels"]) == len(old["annotation_events"]) == 1
    migrate(engine, "head")
    assert rows(engine) == old
    with empty_place.open() as database:
        ada = access.local_user(database, "ada")
        assert projects.get_project(database, ada, "zoo").cold_start == "random_sampling"
        new = projects.create_project(database, ada, ProjectSpec(name="new", classes=CLASSES))
        assert new.cold_start == "typiclust"
    migrate(engine, "0001")
    assert rows(engine) == old


@pytest.mark.parametrize("revision", ["0001", "head"])
def test_0002_leaves_the_rules_for_files_in_place(empty_place: Place, engine: Engine, revision: str) -> None:
    """SQLite's table of files is made anew on the way: its rules, its index and what refers to it must be there."""
    fill(empty_place)
    if revision == "0001":
        migrate(engine, "0001")
    with engine.connect() as connection:
        names = {entry["name"] for entry in inspect(connection).get_indexes("files")}
    assert "ix_files_project_id" in names
    one = "FROM files LIMIT 1"
    refused = [
        ADD_FILE.format("nonsense", "n") + one,
        "INSERT INTO files (project_id, kind, path, sha256, size, created_at) VALUES (1, 'model', 'x', 'short', 1, 1)",
        ADD_FILE.format("model", "zoo.npy") + one,  # a path is there once
        ADD_FILE.format("model", "m").replace("SELECT 1", "SELECT 99") + one,  # no such project
        "DELETE FROM files",  # the shards refer to them
    ]
    refused += [ADD_FILE.format("pseudo_labels", "q") + one] if revision == "0001" else []
    for statement in refused:
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(text(statement))
    with engine.begin() as connection:
        connection.execute(text(ADD_FILE.format("model", "m") + one))


def test_0003_keeps_every_row_up_and_down(empty_place: Place, engine: Engine) -> None:
    fill(empty_place)
    new = rows(engine)
    migrate(engine, "0002")
    assert rows(engine) == new
    assert "gold" not in inspect(engine).get_table_names()
    migrate(engine, "head")
    assert rows(engine) == new
    assert len(new["queries"]) == 3
    with empty_place.open() as database:
        project = projects.get_project(database, access.local_user(database, "ada"), "zoo")
        assert (project.overlap, project.max_overlap, project.confirm_share) == (1, None, 0.0)
        assert project.show_why == "on request"


_QUERY = "project_id, round_id, sample_id, kind, rank, reserve, state, slots, token, decided, created_at"
ADD_QUERY = (
    f"INSERT INTO queries ({_QUERY}) "
    "SELECT project_id, round_id, sample_id, '{}', 0, reserve, '{}', {}, 0, decided, 1 FROM queries WHERE id = 1"
)


@pytest.mark.parametrize("revision", ["0002", "head"])
def test_0003_leaves_the_rules_for_queries_in_place(empty_place: Place, engine: Engine, revision: str) -> None:
    """SQLite's table of queries is made anew on the way: its rules, its indexes and its claims must be there."""
    fill(empty_place)
    if revision == "0002":
        migrate(engine, "0002")
    refused = [
        ADD_QUERY.format("learn", "withdrawn", 1),  # once in a round
        ADD_QUERY.format("nonsense", "closed", 1),
        ADD_QUERY.format("gold", "nonsense", 1),
        ADD_QUERY.format("gold", "closed", 0),
        "DELETE FROM queries",  # a claim refers to one
        "UPDATE queries SET state = 'open', sample_id = 1, kind = 'learn', round_id = round_id + id",
    ]
    refused += [ADD_QUERY.format("spot_check", "open", 1)] if revision == "0002" else []
    for statement in refused:
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(text(statement))
    if revision == "head":
        with engine.begin() as connection:
            connection.execute(text(ADD_QUERY.format("spot_check", "open", 1)))
    with engine.connect() as connection:
        names = {entry["name"] for entry in inspect(connection).get_indexes("queries")}
    assert {"ix_queries_queue", "ix_queries_sample_id", "uq_queries_open_sample"} <= names


def test_0004_keeps_every_row_up_and_down(empty_place: Place, engine: Engine) -> None:
    fill(empty_place)
    new = rows(engine)
    with empty_place.open() as database:
        scene = Scene(database, access.system_actor(database), access.local_user(database, "ada"), zoo(database))
        made = compared(scene)
        comparison_log.record_point(database, scene.system, first_run(scene), point(20))
        comparison_log.record_file(database, scene.system, made.id, "map", "all", new_file("map.json"))
    migrate(engine, "0003")
    assert rows(engine) == new  # without the comparison's file
    assert "comparisons" not in inspect(engine).get_table_names()
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text(ADD_FILE.format("comparison", "m") + "FROM files LIMIT 1"))
    migrate(engine, "head")
    assert rows(engine) == new
    with engine.begin() as connection:
        connection.execute(text(ADD_FILE.format("comparison", "m") + "FROM files LIMIT 1"))


def test_0005_keeps_every_row_up_and_down_and_an_old_project_as_it_was(empty_place: Place, engine: Engine) -> None:
    fill(empty_place)
    with empty_place.open() as database:
        scene = Scene(database, access.system_actor(database), access.local_user(database, "ada"), zoo(database))
        judged(scene, made(scene))
    new = rows(engine)
    migrate(engine, "0004")
    assert rows(engine) == new
    assert "generator_versions" not in inspect(engine).get_table_names()
    assert "quality" in {column["name"] for column in inspect(engine).get_columns("synthetic_samples")}
    with engine.begin() as connection:
        connection.execute(text("UPDATE samples SET sha256 = sha256"))  # no trigger is left that asks for the tables
    migrate(engine, "head")
    assert rows(engine) == new
    with empty_place.open() as database:
        project = zoo(database)
        assert (project.balance, project.generate, project.generate_below) == ("none", "none", 100)
        assert project.copy_check_share == 0
        scene = Scene(database, access.system_actor(database), access.local_user(database, "ada"), project)
        assert judged(scene, made(scene)).verdict == "accepted"  # the same files again


def test_0006_keeps_every_row_up_and_down_and_no_check_becomes_a_vote(empty_place: Place, engine: Engine) -> None:
    fill(empty_place)
    plain = rows(engine)
    with engine.begin() as connection:
        connection.execute(text(ADD_QUERY.format("copy_check", "open", 1)))
    with empty_place.open() as database:
        scene = Scene(database, access.system_actor(database), access.local_user(database, "ada"), zoo(database))
        before = scene.labels()
        [check] = [query for query in scene.claim(scene.person("bob"), 20) if query.sample_id in before]
        scene.submit(scene.person("bob"), check, "dog")
        assert scene.labels() == before
    filled = rows(engine)
    assert len(filled["annotations"]) == len(plain["annotations"]) + 1
    migrate(engine, "0005")
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text(ADD_QUERY.format("copy_check", "closed", 1)))
    with engine.connect() as connection:
        kinds = connection.execute(text("SELECT kind, state FROM queries ORDER BY id DESC")).first()
        names = {entry["name"] for entry in inspect(connection).get_indexes("queries")}
    assert kinds == ("gold", "closed")
    assert {"ix_queries_queue", "ix_queries_sample_id", "uq_queries_open_sample"} <= names
    migrate(engine, "head")
    changed = rows(engine)
    assert {table: changed[table] for table in changed if table != "queries"} == {
        table: filled[table] for table in filled if table != "queries"
    }
    with empty_place.open() as database:
        assert Scene(database, scene.system, scene.ada, zoo(database)).labels() == before == labels.rebuild(database)


def test_0006_asks_no_check_that_nobody_answered_after_the_way_back(empty_place: Place, engine: Engine) -> None:
    fill(empty_place)
    with engine.begin() as connection:
        connection.execute(text(ADD_QUERY.format("copy_check", "open", 1)))
    migrate(engine, "0005")
    with engine.connect() as connection:
        last = connection.execute(text("SELECT kind, state, closed_at FROM queries ORDER BY id DESC")).first()
    assert last == ("gold", "withdrawn", 1)
