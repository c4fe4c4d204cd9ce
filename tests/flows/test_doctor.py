"""The doctor finds what is wrong, on both engines, says what to do, and changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from db import inspection, jobs
from db.engine import Database
from flows import doctor_machine
from flows.backup import back_up
from flows.doctor import Finding, examine, failed
from flows.errors import FlowError
from flows.jobs import working
from flows.report import SilentReporter
from flows.settings import Settings
from flows.store import Store
from tests.database_fixtures import Place
from tests.db.people import run
from tests.flows.conftest import Said
from tests.flows.keeping import files_below, flip, scene_with_files, store_at

RELAXED = {"durability"}  # the tests' PostgreSQL runs with fsync=off, which the doctor has to see


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    place.home.mkdir(exist_ok=True)
    opened = store_at(place)
    yield opened
    opened.database.close()


def bad(store: Store, *, deep: bool = False, **settings: object) -> dict[str, str]:
    """What is not in order, by what was looked at, without what every test's home has (no backup)."""
    found = examine(store.settings.model_copy(update=settings), deep=deep)
    assert all(one.do for one in found if one.level != "ok")
    return {one.what: one.found for one in found if one.level != "ok" and one.what not in {"backups", *RELAXED}}


def test_every_trigger_of_a_new_store_is_known(database: Database) -> None:
    found = inspection._LIVE_TRIGGERS[database.dialect]
    with database.engine.connect() as connection:
        assert set(connection.execute(text(found)).scalars()) == inspection.TRIGGERS[database.dialect]


def test_a_store_in_order_is_said_to_be_and_nothing_changes(store: Store) -> None:
    scene_with_files(store)
    before = files_below(store.settings.home / "projects")
    assert bad(store, deep=True) == {}
    said = {one.found for one in examine(store.settings) if one.what == "durability" and one.level == "problem"}
    assert said == (set() if store.database.dialect == "sqlite" else {"fsync is off, not on"})
    assert files_below(store.settings.home / "projects") == before


def test_rules_that_somebody_dropped_are_told(store: Store) -> None:
    scene_with_files(store)
    postgresql = store.database.dialect == "postgresql"
    run(store.database, "DROP INDEX uq_claims_active_slot")
    run(store.database, f"DROP TRIGGER annotation_events_no_update{' ON annotation_events' if postgresql else ''}")
    if postgresql:
        run(store.database, "ALTER TABLE synthetic_events DISABLE TRIGGER synthetic_events_no_change")
        run(store.database, "ALTER TABLE labels DROP CONSTRAINT fk_labels_class")
    told = " ".join(one.found for one in examine(store.settings) if one.what == "rules")
    names = ["uq_claims_active_slot", "annotation_events_no_update"]
    names += ["synthetic_events_no_change", "reference of labels"] if postgresql else []
    assert [name for name in names if name not in told] == []


def test_files_that_are_missing_or_changed_are_told(store: Store) -> None:
    scene = scene_with_files(store)
    shards = store.settings.project_folder(scene.id, "shards")
    (shards / "shard-0.npy").unlink()
    assert "shard-0.npy is missing" in bad(store)["file"]
    (shards / "shard-0.npy").write_bytes(b"short")
    assert "has 5 bytes, not 2000" in bad(store)["file"]
    (shards / "shard-0.npy").write_bytes((shards / "shard-0.pack").read_bytes())
    assert "file" not in bad(store)  # the size is right ...
    assert "its hash is another" in bad(store, deep=True)["file"]  # ... and the content is not
    (shards / "stray.npy").write_bytes(b"x")
    assert bad(store)["files without a row"] == "1"


def test_a_flipped_byte_is_found_when_it_reads_them(store: Store) -> None:
    scene = scene_with_files(store)
    flip(store.settings.project_folder(scene.id, "shards") / "shard-1.pack")
    assert list(bad(store, deep=True)) == ["file"]


def test_work_that_stopped_disk_and_quota_are_told(store: Store) -> None:
    scene = scene_with_files(store)
    jobs.begin(store.database, store.actor, scene.id, "retrain", "another host:1:1.0")
    run(store.database, "UPDATE jobs SET heartbeat_at = 1")
    for attempt in (1, 2, 3):
        run(
            store.database,
            "INSERT INTO jobs (project_id, scope, kind, owner, state, attempt, done, total, message, error, started_by,"
            f" started_at, heartbeat_at) SELECT project_id, scope, 'round', 'x', 'failed', {attempt}, 0, 0, '', 'bad',"
            " started_by, 1, 1 FROM jobs WHERE kind = 'retrain'",
        )
    told = bad(store, free_space_floor=10**18, project_quota=100)
    assert told.keys() == {"jobs", "rounds", "disk", "quota"}
    assert told["jobs"].startswith("1 without")
    assert "'zoo'" in told["rounds"]


def test_backups_are_looked_for(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene_with_files(store)

    def said() -> list[Finding]:
        found = examine(store.settings.model_copy(update={"backup_folder": tmp_path / "backups"}))
        return [one for one in found if one.what == "backups"]

    assert said()[0].found.startswith("none in")
    back_up(store, tmp_path / "backups", SilentReporter())
    assert [one.level for one in said()] == ["ok", "warn"]  # the same disk
    monkeypatch.setattr("flows.doctor_files.BACKUP_DAYS", -1)
    assert said()[0].level == "warn"


def test_a_backup_that_failed_is_told_until_one_succeeds(store: Store) -> None:
    def fail(error: Exception) -> None:
        with pytest.raises(type(error)), working(store, None, "backup", SilentReporter()):
            raise error

    fail(OSError("No space left on device"))
    [told] = [one for one in examine(store.settings) if one.what == "last backup"]
    assert (told.level, "No space left" in told.found) == ("warn", True)  # it is tried again by itself
    fail(FlowError("3 files were missing"))
    [told] = [one for one in examine(store.settings) if one.what == "last backup"]
    assert (told.level, "borderline backup" in told.do) == ("problem", True)
    with working(store, None, "backup", SilentReporter()):
        pass
    assert "last backup" not in bad(store)


def test_a_store_that_cannot_be_opened_is_a_problem_and_no_crash(tmp_path: Path, sqlite_place: Place) -> None:
    nowhere = examine(Settings(home=tmp_path / "nowhere"))
    assert failed(nowhere)
    assert not (tmp_path / "nowhere").exists()
    with sqlite_place.open() as database:
        run(database, "UPDATE alembic_version SET version_num = '9999'")
    newer = examine(Settings(home=sqlite_place.home))
    assert failed(newer)
    assert "newer Borderline" in newer[0].found


def test_versions_that_do_not_fit_are_told() -> None:
    wanted = ["sqlalchemy<1.0", "fastapi", "no-such-package>=3", "pytest<1 ; extra == 'test'"]
    told = list(doctor_machine.versions(wanted))
    assert [one.level for one in told] == ["problem", "problem"]
    assert "tested with <1.0" in told[0].found
    assert "no-such-package is missing" in told[1].found


def test_the_command_ends_with_1_if_something_is_wrong(run: Callable[..., Said], settings: Settings) -> None:
    assert run("doctor").code == 1  # no home yet
    assert run("project", "create", "zoo", "--classes", "a,b").code == 0
    said = run("doctor", "--json")
    assert (said.code, '"level": "problem"' in said.out) == (0, False)
    settings.home.joinpath("borderline.db").write_bytes(b"no database")
    assert run("doctor").code == 1


def test_it_loads_nothing_heavy(settings: Settings) -> None:
    program = "import sys; from flows.doctor import examine; from flows.settings import Settings; examine(Settings());"
    program += "print([name for name in ('torch', 'prefect', 'streamlit') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], env=os.environ, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
