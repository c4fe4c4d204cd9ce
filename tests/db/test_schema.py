"""Migrations, and the constraints everything stands on: each index, key and trigger is there on both engines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_alembic import tests as alembic_tests
from pytest_alembic.config import Config as AlembicConfig
from pytest_alembic.runner import MigrationContext, runner
from sqlalchemy import inspect, text
from sqlalchemy.exc import DatabaseError, IntegrityError

from db import schema
from db.connections import connect_engine, normalize_url
from db.engine import Database
from db.errors import SchemaError, SchemaTooNew
from db.tables import Base
from tests.database_fixtures import Place
from tests.db import children
from tests.db.children import together
from tests.db.scenes import make_scene, scalar

UNIQUE = {  # name -> table, columns: what must never happen twice
    "uq_claims_active_slot": ("claims", ["query_id", "slot"]),
    "uq_claims_active_user": ("claims", ["query_id", "user_id"]),
    "uq_claims_query_id_token": ("claims", ["query_id", "token"]),
    "uq_annotation_events_answer_id": ("annotation_events", ["answer_id"]),
    "uq_annotations_answer_id": ("annotations", ["answer_id"]),
    "uq_annotations_standing": ("annotations", ["query_id", "user_id"]),
    "uq_labels_sample_id": ("labels", ["sample_id"]),
    "uq_queries_round_id_sample_id_kind": ("queries", ["round_id", "sample_id", "kind"]),
    "uq_queries_id_slots": ("queries", ["id", "slots"]),
    "uq_queries_open_sample": ("queries", ["sample_id"]),
    "uq_samples_project_id_sha256": ("samples", ["project_id", "sha256"]),
    "uq_samples_shard_id_shard_row": ("samples", ["shard_id", "shard_row"]),
    "uq_rounds_project_id_number": ("rounds", ["project_id", "number"]),
    "uq_rounds_unfinished": ("rounds", ["project_id"]),
    "uq_projects_live_name": ("projects", ["name"]),
    "uq_classes_live_name": ("classes", ["project_id", "name"]),
    "uq_classes_project_id_position": ("classes", ["project_id", "position"]),
    "uq_users_name": ("users", ["name"]),
    "uq_files_path": ("files", ["path"]),
    "uq_jobs_running": ("jobs", ["scope", "kind"]),
    "uq_commands_key": ("commands", ["key"]),
    "uq_model_versions_current": ("model_versions", ["project_id"]),
    "uq_adversarial_copies_round_id_sample_id": ("adversarial_copies", ["round_id", "sample_id"]),
    "uq_pseudo_labels_round_id": ("pseudo_labels", ["round_id"]),
    "uq_sessions_token_hash": ("sessions", ["token_hash"]),
    "uq_api_tokens_token_hash": ("api_tokens", ["token_hash"]),
    "uq_invitations_token_hash": ("invitations", ["token_hash"]),
    "uq_gold_live_sample": ("gold", ["sample_id"]),
    "uq_webhook_deliveries_webhook_id_outbox_id": ("webhook_deliveries", ["webhook_id", "outbox_id"]),
    "uq_comparisons_live_key": ("comparisons", ["project_id", "key"]),
    "uq_comparison_runs_comparison_id_arm_seed": ("comparison_runs", ["comparison_id", "arm", "seed"]),
    "uq_comparison_points_run_id_labels": ("comparison_points", ["run_id", "labels"]),
    "uq_comparison_files_comparison_id_kind_name": ("comparison_files", ["comparison_id", "kind", "name"]),
    "uq_generator_versions_project_id_key": ("generator_versions", ["project_id", "key"]),
    "uq_generator_versions_project_id_number": ("generator_versions", ["project_id", "number"]),
    "uq_synthetic_samples_file_id_file_row": ("synthetic_samples", ["file_id", "file_row"]),
    "uq_gate_decisions_generator_version_id_class_id": ("gate_decisions", ["generator_version_id", "class_id"]),
    "uq_synthetic_events_request_id": ("synthetic_events", ["request_id"]),
}


PARTIAL = {"uq_claims_active_slot", "uq_claims_active_user", "uq_annotations_standing", "uq_queries_open_sample"}


def test_each_unique_index_is_there(database: Database) -> None:
    inspector = inspect(database.engine)
    found: dict[str, tuple[str, list[str | None]]] = {}
    for table in inspector.get_table_names():
        keys = [entry for entry in inspector.get_indexes(table) if entry["unique"]]
        for entry in [*keys, *inspector.get_unique_constraints(table)]:
            found[str(entry["name"])] = (table, list(entry["column_names"]))
    assert {name: found.get(name) for name in UNIQUE} == UNIQUE


def test_partial_indexes_kept_their_condition(database: Database) -> None:
    wheres = {
        str(entry["name"]): entry["dialect_options"].get(f"{database.dialect}_where")
        for table in ("claims", "annotations", "queries")
        for entry in inspect(database.engine).get_indexes(table)
        if entry["name"] in PARTIAL
    }
    assert set(wheres) == PARTIAL
    assert None not in [where if where is None else str(where) for where in wheres.values()]


def test_no_foreign_key_deletes_anything(database: Database) -> None:
    inspector = inspect(database.engine)
    rules = [
        (table, key["options"].get("ondelete", "NO ACTION"))
        for table in inspector.get_table_names()
        for key in inspector.get_foreign_keys(table)
    ]
    assert len(rules) > 40
    assert {rule for _, rule in rules} == {"NO ACTION"}


def test_events_are_append_only(database: Database) -> None:
    scene = make_scene(database)
    scene.ask()
    scene.submit(scene.ada, scene.claim(scene.ada)[0])
    changes = ["UPDATE annotation_events SET kind = 'undo'", "DELETE FROM annotation_events"]
    changes += ["TRUNCATE annotation_events"] if database.dialect == "postgresql" else []
    for change in changes:
        with pytest.raises(DatabaseError, match="append-only"):
            database.write(lambda session, change=change: session.execute(text(change)))
    assert scene.events() == 1


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO claims (query_id, slots, slot, user_id, token, state, claimed_at, expires_at) "
        "SELECT id, slots, slots, 1, 99, 'leased', 1, 1 FROM queries",
        "INSERT INTO claims (query_id, slots, slot, user_id, token, state, claimed_at, expires_at) "
        "SELECT id, slots + 1, slots, 1, 99, 'leased', 1, 1 FROM queries",
        "INSERT INTO claims (query_id, slots, slot, user_id, token, state, claimed_at, expires_at) "
        "SELECT id, slots, -1, 1, 99, 'leased', 1, 1 FROM queries",
        "DELETE FROM samples",
        "DELETE FROM queries",
        "DELETE FROM classes",
        "UPDATE labels SET class_id = (SELECT id FROM classes WHERE project_id = 2 LIMIT 1)",
    ],
)
def test_the_database_itself_refuses(database: Database, statement: str) -> None:
    scene = make_scene(database)
    make_scene(database, name="other", images=0)
    scene.ask(2)
    scene.submit(scene.ada, scene.claim(scene.ada)[0])
    with pytest.raises(IntegrityError), database.engine.begin() as connection:
        connection.execute(text(statement))
    assert len(scene.labels()) == 1


def test_slots_of_claims_follow_their_query(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(2, slots=1)
    scene.claim(scene.ada)
    database.write(lambda session: session.execute(text("UPDATE queries SET slots = 3")))
    assert scalar(database, "SELECT max(slots) FROM claims") == 3
    assert len(scene.claim(scene.person("bob"), 5)) == 2


@pytest.fixture
def migrations(empty_place: Place) -> Any:
    engine = connect_engine(normalize_url(empty_place.url, empty_place.home))
    empty_place.home.mkdir(parents=True, exist_ok=True)
    config = AlembicConfig(config_options={"script_location": str(schema.MIGRATIONS)})
    with runner(config=config, engine=engine) as context:
        yield context
    engine.dispose()


@pytest.mark.parametrize(
    "check",
    [
        alembic_tests.test_single_head_revision,
        alembic_tests.test_upgrade,
        alembic_tests.test_model_definitions_match_ddl,
        alembic_tests.test_up_down_consistency,
    ],
    ids=lambda check: check.__name__,
)
def test_alembic(migrations: MigrationContext, check: Any) -> None:
    check(migrations)


def test_many_processes_open_a_new_store_at_once(empty_place: Place) -> None:
    assert together(children.open_store, [(empty_place.url, empty_place.home)] * 4) == [0, 0, 0, 0]


def test_a_newer_schema_is_refused_in_plain_words(place: Place) -> None:
    with place.open() as database:
        database.write(lambda session: session.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(SchemaTooNew, match="newer Borderline; upgrade Borderline"):
        place.open(migrate=True)


def test_without_migrations_a_new_store_is_refused(empty_place: Place) -> None:
    with pytest.raises(SchemaError, match="expected a database"):
        empty_place.open(migrate=False)


def test_tables_of_somebody_else_are_left_alone(empty_place: Place) -> None:
    empty_place.home.mkdir(parents=True)
    engine = connect_engine(normalize_url(empty_place.url, empty_place.home))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (id INTEGER)"))
    engine.dispose()
    with pytest.raises(SchemaError, match="other tables"):
        empty_place.open(migrate=True)


def test_a_migration_that_makes_a_table_anew_loses_no_label(sqlite_place: Place, tmp_path: Path) -> None:
    """Batch mode drops the old table, an implicit DELETE of all its rows (F4 in reliability.md)."""
    folder = tmp_path / "migrations"
    _copy_migrations_with(folder, "batch_op.add_column(sa.Column('extra', sa.Integer()))")
    with sqlite_place.open() as database:
        scene = make_scene(database)
        scene.ask()
        scene.submit(scene.ada, scene.claim(scene.ada)[0])
    _upgrade(sqlite_place, folder)
    with connect_engine(normalize_url(None, sqlite_place.home)).connect() as after:
        assert after.execute(text("SELECT count(*) FROM labels")).scalar_one() == 1
        assert after.execute(text("SELECT count(*) FROM samples")).scalar_one() == 30
        assert after.execute(text("SELECT count(extra) FROM samples")).scalar_one() == 0


def _copy_migrations_with(folder: Path, operation: str) -> None:
    versions = folder / "versions"
    versions.mkdir(parents=True)
    (folder / "env.py").write_text((schema.MIGRATIONS / "env.py").read_text())
    for ours in (schema.MIGRATIONS / "versions").glob("0*.py"):
        (versions / ours.name).write_text(ours.read_text())
    (versions / "next.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision = 'next'\ndown_revision = '{schema.head_revision()}'\n"
        "def upgrade():\n    with op.batch_alter_table('samples', recreate='always') as batch_op:\n"
        f"        {operation}\n"
        "def downgrade():\n    pass\n"
    )


def _upgrade(place: Place, folder: Path) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder))
    engine = connect_engine(normalize_url(place.url, place.home))
    config.attributes["connection"] = engine
    command.upgrade(config, "head")
    engine.dispose()


def test_alembic_runs_from_its_own_command_line(tmp_path: Path) -> None:
    ini = Path(schema.__file__).parent / "alembic.ini"
    command = [sys.executable, "-m", "alembic", "-c", str(ini), "-x", f"url=sqlite:///{tmp_path}/x.db"]
    subprocess.run([*command, "upgrade", "head"], check=True, capture_output=True)
    shown = subprocess.run([*command, "current"], check=True, capture_output=True, text=True)
    assert "0007 (head)" in shown.stdout
    with connect_engine(normalize_url(f"sqlite:///{tmp_path}/x.db", tmp_path)).connect() as connection:
        assert set(inspect(connection).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
