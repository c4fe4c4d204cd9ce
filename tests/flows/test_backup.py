"""Backups while people work, killed anywhere, and back on either engine: nothing acknowledged before is missing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import URL, select

from db import inspection, jobs, labels, schema
from db.connections import connect_engine
from db.errors import Conflict, SchemaTooNew
from db.tables import AnnotationEventRow
from flows import backup_manifest as manifests
from flows.backup import BackupReport, back_up
from flows.backup_verify import verify
from flows.errors import AlreadyRunning, FlowError, UsageError
from flows.locks import file_lock
from flows.report import SilentReporter
from flows.restore import Restored, restore
from flows.settings import Settings
from flows.store import Store
from pipeline.errors import FileDamaged
from pipeline.files import sha256_file
from tests.database_fixtures import Place, Server
from tests.db import children
from tests.db.people import run
from tests.db.scenes import Scene
from tests.flows.keeping import files_below, flip, scene_with_files, store_at

QUIET = SilentReporter()
WRITERS = 8
PATIENCE = float(os.environ.get("BORDERLINE_TEST_PATIENCE", "30"))


@pytest.fixture
def keep(place: Place) -> Iterator[Store]:
    """The store of a place, on each engine."""
    place.home.mkdir(exist_ok=True)
    store = store_at(place)
    yield store
    store.database.close()


@pytest.fixture
def small(sqlite_place: Place) -> Iterator[Store]:
    """A store on SQLite, for what does not differ."""
    store = store_at(sqlite_place)
    yield store
    store.database.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def save(store: Store, folder: Path, **more: Any) -> BackupReport:
    return back_up(store, folder, QUIET, **more)


def put_back(folder: Path, home: Path, url: str | None = None) -> Restored:
    return restore(folder, Settings(home=home, database_url=url), QUIET)


@contextmanager
def writers(place: Place, scene: Scene, acks: list[Path]) -> Iterator[None]:
    """Eight processes that answer until they are killed, each acknowledged answer in a file of its own."""
    classes = [entry.id for entry in scene.project.classes]
    fork = multiprocessing.get_context("fork")
    crew = [
        fork.Process(target=children.answer_until_killed, args=(place.url, place.home, scene.id, classes, path, number))
        for number, path in enumerate(acks)
    ]
    for child in crew:
        child.start()
    try:
        yield
    finally:
        for child in crew:
            child.kill()
            child.join()


def test_what_eight_writers_had_saved_is_in_the_backup_on_both_engines(
    keep: Store, place: Place, postgresql_server: Server, postgresql_template: str, tmp_path: Path
) -> None:
    scene = scene_with_files(keep, images=2000)
    scene.ask(2000)
    acks = [tmp_path / f"acks {number}" for number in range(WRITERS)]

    def acknowledged() -> set[str]:
        return {one for path in acks if path.exists() for one in path.read_text().split()}

    with writers(place, scene, acks):
        until(lambda: sum(path.exists() and path.stat().st_size > 0 for path in acks) >= 2 and len(acknowledged()) > 40)
        before = acknowledged()
        report = save(keep, tmp_path / "backups")
        by_then = len(acknowledged())
        until(lambda: len(acknowledged()) > by_then + WRITERS)  # each may have had one under way
    assert verify(tmp_path / "backups", QUIET).problems == ()
    assert report.manifest.engine == keep.database.dialect
    name = postgresql_server.create(postgresql_template)
    try:
        for home, url in (("one", None), ("other", postgresql_server.address(name))):
            put_back(tmp_path / "backups", tmp_path / home, url)
            with Place(url, tmp_path / home).open() as restored:
                events = select(AnnotationEventRow.answer_id)
                there = set(restored.read(lambda session, events=events: session.scalars(events).all()))
                assert before <= there
                assert len(there) < len(acknowledged())  # the writers went on
                assert labels.rebuild(restored) == Scene(restored, scene.system, scene.ada, scene.project).labels()
                assert (inspection.damage(restored), inspection.missing_rules(restored)) == ([], [])
                for file in inspection.stored_files(restored):
                    assert sha256_file(tmp_path / home / file.path) == file.sha256
    finally:
        postgresql_server.drop(name)


KILLED_AT = {
    "the rows are copied": ("flows.backup.snapshot.save", "after"),
    "a file is half copied": ("flows.backup_files.atomic_write", "before"),
    "a file is copied": ("flows.backup.FileStore.take", "after"),
    "the list is written": ("flows.backup._counted", "before"),
    "all but the manifest is written": ("flows.backup.manifests.write", "before"),
    "it has a manifest and no name": ("flows.backup.manifests.write", "after"),
}


def killed_at(step: tuple[str, str], work: Callable[[], object]) -> None:
    """Run work in a process that kills itself before or after the first call of a step."""
    child = os.fork()
    if child == 0:
        try:
            _die_at(*step)
            work()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def _die_at(target: str, when: str) -> None:
    patch = pytest.MonkeyPatch()
    owner, name = patch_target(target)
    real = getattr(owner, name)

    def dying(*arguments: Any, **more: Any) -> None:
        if when == "after":
            real(*arguments, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    patch.setattr(owner, name, dying)


def patch_target(target: str) -> tuple[Any, str]:
    from functools import reduce
    from importlib import import_module

    package, module, *parts = target.split(".")
    return reduce(getattr, parts[:-1], import_module(f"{package}.{module}")), parts[-1]


def test_a_backup_that_is_killed_is_none_and_the_next_one_is_whole(small: Store, tmp_path: Path) -> None:
    scene_with_files(small)
    folder = tmp_path / "backups"
    for step in KILLED_AT.values():
        killed_at(step, lambda: save(store_at(Place(None, small.settings.home)), folder))
        assert manifests.finished(folder) == []
        with pytest.raises(UsageError, match="none that was finished"):
            verify(folder, QUIET)
        with pytest.raises(UsageError, match="none that was finished"):
            put_back(folder, tmp_path / "new")
    report = save(small, folder, keep=1)
    assert verify(folder, QUIET).problems == ()
    kept = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {name for name in kept if not name.startswith(("files/", report.folder.name))} == {"lock"}
    assert sum(name.startswith("files/") for name in kept) == report.manifest.files == 6


def test_a_restore_that_is_killed_leaves_no_store_and_can_be_given_again(small: Store, tmp_path: Path) -> None:
    scene = scene_with_files(small)
    scene.ask(3)
    scene.submit(scene.ada, scene.claim(scene.ada)[0])
    save(small, tmp_path / "backups")
    home = tmp_path / "new"
    steps = ("flows.restore.copy_checked", "after"), ("flows.restore.restoring.settle", "after")
    for step in (*steps, ("flows.restore.restoring.place", "before")):
        killed_at(step, lambda: put_back(tmp_path / "backups", home))
        assert not (home / "borderline.db").exists()
    put_back(tmp_path / "backups", home)
    assert files_below(home / "projects") == files_below(small.settings.home / "projects")
    assert {path.name for path in home.iterdir()} == {"borderline.db", "database.json", "projects", "run"}
    with Place(None, home).open() as restored:
        assert labels.rebuild(restored) == scene.labels()
        assert len(scene.labels()) == 1


def test_backups_share_their_files_and_old_ones_go(small: Store, tmp_path: Path) -> None:
    scene_with_files(small)
    folder = tmp_path / "backups"
    first = save(small, folder)
    assert (first.copied, first.manifest.files) == (6, 6)
    run(small.database, "UPDATE files SET deleted_at = 1 WHERE path LIKE '%shard-0.npy'")
    second = save(small, folder, keep=2)
    assert (second.copied, second.manifest.files, second.pruned) == (0, 5, ())
    run(small.database, "UPDATE files SET deleted_at = 1 WHERE path LIKE '%shard-1.npy'")
    third = save(small, folder, keep=2)
    assert third.manifest.files == 4
    assert third.pruned == (first.folder.name,)
    assert manifests.finished(folder) == [second.folder, third.folder]
    assert len(list((folder / "files").rglob("*/*"))) == 5  # what only the first one named is gone, no more
    assert [verify(path, QUIET).problems for path in (second.folder, third.folder)] == [(), ()]


@pytest.mark.parametrize("what", ["database.db", "files.jsonl", "a file"])
def test_a_changed_byte_is_told_and_never_restored(small: Store, tmp_path: Path, what: str) -> None:
    scene_with_files(small)
    folder = save(small, tmp_path / "backups").folder
    file = next((tmp_path / "backups" / "files").rglob("*/*"))
    flip(file if what == "a file" else folder / what)
    assert len(verify(folder, QUIET).problems) >= 1
    with pytest.raises(FileDamaged):
        put_back(folder, tmp_path / "new")
    assert not (tmp_path / "new" / "borderline.db").exists()


def test_missing_rows_and_files_are_told(small: Store, tmp_path: Path) -> None:
    scene_with_files(small)
    folder = save(small, tmp_path / "backups").folder
    next((tmp_path / "backups" / "files").rglob("*/*")).unlink()
    with closing(sqlite3.connect(folder / "database.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM samples WHERE id = 1")
    told = " ".join(verify(folder, QUIET).problems)
    assert "it is missing" in told
    assert "sha256" in told


def test_a_file_that_is_damaged_at_home_is_told_and_the_rest_is_saved(small: Store, tmp_path: Path) -> None:
    scene = scene_with_files(small)
    shards = small.settings.project_folder(scene.id, "shards")
    flip(shards / "shard-0.npy")
    (shards / "shard-1.npy").unlink()
    report = save(small, tmp_path / "backups")
    assert [entry.path.rpartition("/")[2] for entry in report.lacking] == ["shard-0.npy", "shard-1.npy"]
    assert report.manifest.files == 4
    with pytest.raises(FlowError, match=r"2 files were missing or damaged.*shard-0\.npy"):
        report.require_whole()
    assert len(verify(report.folder, QUIET).problems) == 2
    done = put_back(report.folder, tmp_path / "new")
    assert len(done.lacking) == 2
    assert len(files_below(tmp_path / "new" / "projects")) == 4


def test_images_that_lie_elsewhere_are_listed_or_taken_along(small: Store, tmp_path: Path) -> None:
    scene = scene_with_files(small)
    photo, lost = tmp_path / "photo.JPG", tmp_path / "lost.png"
    photo.write_bytes(b"a picture")
    run(small.database, f"UPDATE samples SET source_path = '{photo}', sha256 = '{sha256_file(photo)}' WHERE id = 1")
    run(small.database, f"UPDATE samples SET source_path = '{lost}' WHERE id = 2")
    plain = save(small, tmp_path / "backups")
    assert (plain.manifest.left, plain.lacking) == (2, ())
    assert verify(plain.folder, QUIET).gone == (str(lost),)
    taken = save(small, tmp_path / "backups", with_originals=True)
    assert [entry.path for entry in taken.lacking] == [str(lost)]
    photo.unlink()
    put_back(taken.folder, tmp_path / "new")
    with Place(None, tmp_path / "new").open() as restored:
        [original] = [file for file in inspection.stored_files(restored) if file.kind == "original"]
    assert original.path.startswith(f"projects/{scene.id}/originals/")
    assert original.path.endswith(".jpg")
    assert (tmp_path / "new" / original.path).read_bytes() == b"a picture"


def _rewrite(folder: Path, **changes: object) -> None:
    from dataclasses import replace

    sha256 = sha256_file(folder / "database.db")
    manifests.write(folder, replace(manifests.read(folder), database_sha256=sha256, **changes))


def test_a_backup_of_an_older_schema_is_migrated_and_a_newer_one_refused(small: Store, tmp_path: Path) -> None:
    scene_with_files(small)
    folder = save(small, tmp_path / "backups").folder
    engine = connect_engine(URL.create("sqlite", database=str(folder / "database.db")), pooled=False)
    config = schema.configuration()
    config.attributes["connection"] = engine
    command.downgrade(config, "0003")
    engine.dispose()
    _rewrite(folder, revision="0003")
    put_back(folder, tmp_path / "new")
    with Place(None, tmp_path / "new").open(migrate=False) as restored:
        assert len(inspection.stored_files(restored)) == 6
    _rewrite(folder, revision="9999")
    with pytest.raises(SchemaTooNew):
        put_back(folder, tmp_path / "newer")
    assert not (tmp_path / "newer").exists()
    _rewrite(folder, format=99)
    with pytest.raises(UsageError, match="upgrade Borderline"):
        put_back(folder, tmp_path / "newer")


def test_nothing_that_is_there_is_overwritten(keep: Store, place: Place, tmp_path: Path) -> None:
    scene_with_files(keep)
    save(keep, tmp_path / "backups")
    with pytest.raises(UsageError, match="expected an empty home folder"):
        put_back(tmp_path / "backups", place.home, place.url)
    if place.url is not None:
        with pytest.raises(Conflict, match="got rows in"):
            put_back(tmp_path / "backups", tmp_path / "new", place.url)
        assert not (tmp_path / "new" / "projects").exists()


def test_one_backup_at_a_time(small: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    with file_lock(folder / "lock"), pytest.raises(AlreadyRunning, match="another backup"):
        save(small, folder)


def test_a_list_that_leads_out_of_the_home_is_refused(small: Store, tmp_path: Path) -> None:
    scene_with_files(small)
    folder = save(small, tmp_path / "backups").folder
    told = (folder / "files.jsonl").read_text().replace("projects/1/shards/shard-0.npy", "../outside.npy")
    (folder / "files.jsonl").write_text(told)
    _rewrite(folder, list_sha256=sha256_file(folder / "files.jsonl"))
    with pytest.raises(UsageError, match="below the home folder"):
        put_back(folder, tmp_path / "new")
    assert not (tmp_path / "outside.npy").exists()


def test_the_flow_backs_up_where_the_settings_say(
    small: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import deployments  # Prefect takes long to import: the other tests do without

    scene = scene_with_files(small)
    monkeypatch.setenv("BORDERLINE_HOME", str(small.settings.home))
    monkeypatch.setenv("BORDERLINE_BACKUP_FOLDER", str(tmp_path / "there"))
    monkeypatch.setenv("BORDERLINE_BACKUP_KEEP", "1")
    monkeypatch.setattr(deployments, "ArtifactReporter", SilentReporter)  # no Prefect server is up here
    deployments.backup.fn()
    done = deployments.backup.fn()
    assert [path.name for path in manifests.finished(tmp_path / "there")] == [done["backup"]]
    job = jobs.latest(small.database, None, "backup")
    assert job is not None
    assert (job.state, job.project_id) == ("done", None)
    (small.settings.project_folder(scene.id, "shards") / "shard-0.npy").unlink()
    (tmp_path / "there" / "files").rename(tmp_path / "elsewhere")
    with pytest.raises(FlowError, match="1 files were missing"):
        deployments.backup.fn()
    job = jobs.latest(small.database, None, "backup")
    assert job is not None
    assert (job.state, "shard-0.npy" in job.error) == ("failed", True)
