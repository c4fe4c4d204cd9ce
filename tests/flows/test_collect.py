"""Clearing away: whatever lies around, a file that a row names stays, and so does everything outside."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import commands, jobs
from db.files import register
from db.records import NewFile
from flows.collect import CHECKPOINT_AGE, HOUR, leftovers, remove
from flows.errors import AlreadyRunning
from flows.jobs import working
from flows.locks import files_in_use
from flows.report import SilentReporter
from flows.store import Store
from tests.database_fixtures import Place
from tests.db.people import run
from tests.db.scenes import make_scene, sha
from tests.flows.keeping import scene_with_files, store_at

FOLDERS = ("shards", "originals/ab", "models", "copies", "pseudo_labels", "pictures", "synthetic")
KEPT_FOLDERS = ("embedders", "synthetic/sheets", "comparisons/3/runs", "exports", "their own")


@pytest.fixture
def store(sqlite_place: Place) -> Iterator[Store]:
    opened = store_at(sqlite_place)
    yield opened
    opened.database.close()


def write(path: Path, hours: float) -> Path:
    """Write a file of that age."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 10)
    then = time.time() - hours * HOUR
    os.utime(path, (then, then))
    return path


def name_it(store: Store, project_id: int, path: Path) -> None:
    file = NewFile(path=store.relative(path), sha256=sha(path.name), size=10)
    store.database.write(lambda session: register(session, project_id, "model", [file]))


@pytest.mark.parametrize("seed", range(3))
def test_whatever_lies_around_only_old_files_without_a_row_go(store: Store, tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    scene = make_scene(store.database, images=0)
    root = store.settings.home / "projects" / str(scene.id)
    stays, goes = set(), set()
    for number in range(150):
        place = choose.choice([*FOLDERS, *KEPT_FOLDERS])
        name = choose.choice([f"{number}.npy", f"{number}.checkpoint", f".{number}.npy.abc.tmp"])
        hours = choose.choice([0.0, 0.9, 1.1, 23.0, 25.0, 900.0])
        path = write(root / place / name, hours)
        named = choose.random() < 0.3
        if named:
            name_it(store, scene.id, path)
        if named and choose.random() < 0.3:  # also one that is marked as deleted is named
            run(store.database, f"UPDATE files SET deleted_at = 1 WHERE path = '{store.relative(path)}'")
        least = CHECKPOINT_AGE / HOUR if name.endswith("checkpoint") else 1.0
        ours = place in FOLDERS or name.endswith(".tmp")
        (goes if ours and not named and hours > least else stays).add(path)
    outside = write(tmp_path / "outside" / "x.npy", 900)
    (root / "shards" / "link.npy").symlink_to(outside)
    (root / "models" / "folder").symlink_to(outside.parent)
    stays |= {
        write(store.settings.home / "projects" / "x.npy", 900),
        write(store.settings.home / "x.tmp", 900),
        outside,
    }
    assert goes
    assert {one.path for one in leftovers(store)} == goes
    assert all(path.exists() for path in goes)  # looking removes nothing
    assert {one.path for one in remove(store)} == goes
    assert not any(path.exists() for path in goes)
    assert all(path.exists() for path in stays)


def test_a_project_that_is_being_worked_on_is_left_alone(store: Store) -> None:
    scene = scene_with_files(store)
    old = write(store.settings.project_folder(scene.id, "models") / "old.npy", 900)
    elsewhere = jobs.begin(store.database, store.actor, scene.id, "retrain", "another host:1:1.0")
    assert elsewhere is not None
    assert remove(store) == []
    jobs.finish(store.database, elsewhere, "done")
    scene.ask(3)
    run(store.database, "UPDATE rounds SET state = 'preparing'")
    assert remove(store) == []
    run(store.database, "UPDATE rounds SET state = 'open'")
    assert [one.path for one in remove(store)] == [old]
    assert scene_files_are_there(store)


def scene_files_are_there(store: Store) -> bool:
    return len(list((store.settings.home / "projects").rglob("shard-*"))) == 6


def test_it_waits_for_its_turn_beside_work_and_backups(store: Store) -> None:
    scene = scene_with_files(store)
    old = write(store.settings.project_folder(scene.id, "models") / "old.npy", 900)
    with files_in_use(store), pytest.raises(AlreadyRunning):
        remove(store)
    with working(store, scene.id, "retrain", SilentReporter()), pytest.raises(AlreadyRunning):
        remove(store)
    assert old.exists()
    assert [one.path for one in remove(store)] == [old]


def test_uploads_go_when_nobody_waits_for_them(store: Store) -> None:
    scene = scene_with_files(store)
    inbox = store.settings.home / "inbox" / str(scene.id)
    waiting, answered, lost = (write(inbox / name / "1.png", 2) for name in ("waiting", "answered", "lost"))
    young = write(inbox / "young" / "1.png", 0)
    for path in (waiting, answered):
        payload = {"source": str(path.parent), "labels": "ignore"}
        wish = commands.post(store.database, scene.ada, scene.id, "ingest", payload, path.parent.name)
    commands.finish(store.database, wish.id, "done")
    assert [one.path for one in remove(store)] == sorted([answered, lost])
    assert sorted(inbox.iterdir()) == [waiting.parent, young.parent]
