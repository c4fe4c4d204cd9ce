"""A snapshot of a store in use holds every row, on both engines, and becomes a store again on either."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from db import access, comparison_log, inspection, invitations, jobs, labels, restoring, sessions, snapshot, webhooks
from db.connections import connect_engine, normalize_url
from db.engine import Database
from db.errors import Conflict, SchemaTooNew, StoreError
from db.records import NewFile
from db.tables import Base
from tests.database_fixtures import Place, Server
from tests.db.comparing import compared, first_run, point
from tests.db.making import judged, made
from tests.db.people import run
from tests.db.scenes import Scene, make_scene, scalar, sha

REASON = "its process was killed"


def filled(database: Database) -> Scene:
    """A store with something in most tables: values that the engines keep differently among them."""
    scene = make_scene(database)
    scene.ask(6, slots=2)
    first, *others = scene.claim(scene.ada, 4)
    scene.submit(scene.ada, first, "cat", shown={"hint": True})
    scene.submit(scene.ada, others[0], "dog", note="\ttab, \\ and \n é 🦉 \\N")
    scene.submit(scene.person("bob"), scene.claim(scene.person("bob"))[0], "skip")
    made_by = made(scene)
    judged(scene, made_by)
    compared(scene)
    comparison_log.record_point(database, scene.system, first_run(scene), point(20))
    webhooks.add(database, scene.ada, scene.id, "https://example.org/hook", webhooks.TOPICS)
    jobs.begin(database, scene.system, scene.id, "round", "a host that is no more:1:1.0")
    infinite = "1e999" if database.dialect == "sqlite" else "'Infinity'"
    run(database, f"UPDATE queries SET score = {infinite} WHERE rank = 0")
    run(database, "UPDATE queries SET details = 'null' WHERE rank = 1")
    return scene


def rows(database: Database) -> dict[str, list[Any]]:
    """Every row of every table, as both engines would print it."""
    found = {}
    with database.engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            keys = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
            names = ", ".join(
                f'CAST("{column.name}" AS TEXT)' if str(column.type) == "JSON" else f'"{column.name}"'
                for column in table.columns
            )
            result = connection.execute(text(f'SELECT {names} FROM "{table.name}" ORDER BY {keys}'))
            found[table.name] = [tuple(int(item) if isinstance(item, bool) else item for item in row) for row in result]
    return found


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty place to restore into, on each engine."""
    home = tmp_path / "elsewhere"
    home.mkdir()
    if request.param == "sqlite":
        yield Place(None, home)
        return
    server: Server = request.getfixturevalue("postgresql_server")
    name = server.create()
    yield Place(server.address(name), home)
    server.drop(name)


def put(target: Path, place: Place) -> restoring.Settled:
    """Restore a snapshot as `borderline restore` does."""
    copy = restoring.working_copy(place.url, place.home)
    copy.parent.mkdir(exist_ok=True)
    shutil.copy(target, copy)
    settled = restoring.settle(copy, place.home, REASON)
    restoring.place(copy, place.url, place.home)
    assert not copy.exists()
    return settled


def test_every_row_arrives_on_either_engine(database: Database, elsewhere: Place, tmp_path: Path) -> None:
    scene = filled(database)
    target = tmp_path / "snapshot.db"
    at = snapshot.save(database, scene.ada, target)
    assert 0 <= scalar(database, "SELECT max(created_at) FROM annotation_events") <= at
    before, rebuilt = rows(database), labels.rebuild(database)
    told = snapshot.contents(target)
    assert told.problems == ()
    assert told.counts == {name: len(found) for name, found in before.items()}
    assert sorted(tmp_path.glob("snapshot.db*")) == [target]  # no log beside it: one file is all
    scene.submit(scene.ada, scene.claim(scene.ada, 9)[-1], "owl")  # after the snapshot

    put(target, elsewhere)
    with elsewhere.open() as restored:
        after = rows(restored)
        changed = {"claims", "jobs", "sessions", "invitations"}
        assert {name: after[name] for name in after if name not in changed} == {
            name: before[name] for name in before if name not in changed
        }
        assert labels.rebuild(restored) == rebuilt == Scene(restored, scene.system, scene.ada, scene.project).labels()
        assert (inspection.missing_rules(restored), inspection.damage(restored)) == ([], [])
        goes_on(Scene(restored, scene.system, scene.ada, scene.project))


def goes_on(scene: Scene) -> None:
    """Numbers go on after the last, and the history is still append-only."""
    last = scalar(scene.database, "SELECT max(id) FROM annotation_events")
    scene.submit(scene.ada, scene.claim(scene.ada, 1)[0], "cat")
    assert scalar(scene.database, "SELECT max(id) FROM annotation_events") == last + 1
    with pytest.raises(DatabaseError, match="append-only"):
        scene.database.write(lambda session: session.execute(text("DELETE FROM annotation_events")))


def test_nobody_holds_anything_of_the_store_that_was(database: Database, tmp_path: Path, quick_passwords: None) -> None:
    scene, elsewhere = filled(database), Place(None, tmp_path / "elsewhere")
    elsewhere.home.mkdir()
    key = sessions.start(database, scene.ada.user_id).key
    link = invitations.invite(database, scene.ada, access.Role.annotator, project_id=scene.id).token
    snapshot.save(database, scene.ada, tmp_path / "snapshot.db")
    held = scalar(database, "SELECT count(*) FROM claims WHERE state = 'leased'")
    settled = put(tmp_path / "snapshot.db", elsewhere)
    assert (settled.leases, settled.sessions, settled.invitations, settled.jobs) == (held, 1, 1, 1)
    with elsewhere.open() as restored:
        ended, live = sessions.look_up(restored, key), sessions.look_up(database, key)
        assert (ended is not None and ended.live, live is not None and live.live) == (False, True)
        with pytest.raises(StoreError, match="invitation that is open"):
            invitations.look(restored, link)
        job = jobs.latest(restored, scene.id, "round")
        assert job is not None
        assert (job.state, job.error) == ("failed", REASON)
        assert scalar(restored, "SELECT count(*) FROM claims WHERE state = 'leased'") == 0


def test_images_that_lay_elsewhere_become_files_of_the_home(sqlite_place: Place, tmp_path: Path) -> None:
    with sqlite_place.open() as database:
        scene = make_scene(database)
        run(database, "UPDATE samples SET source_path = '/photos/' || name WHERE id <= 2")
        snapshot.save(database, scene.ada, tmp_path / "snapshot.db")
    found = list(snapshot.originals_in(tmp_path / "snapshot.db"))
    assert [entry.path for entry in found] == ["/photos/zoo0.png", "/photos/zoo1.png"]
    copy = tmp_path / "copy.db"
    shutil.copy(tmp_path / "snapshot.db", copy)
    inside = NewFile(path="projects/1/originals/a.png", sha256=sha("a"), size=3)
    restoring.settle(copy, tmp_path / "new", REASON, [(found[0], inside)])
    [left] = snapshot.originals_in(copy)
    assert left.path == "/photos/zoo1.png"
    assert inside.path in {file.path for file in snapshot.files_in(copy)}


def test_a_place_in_use_is_refused(database: Database, place: Place, tmp_path: Path) -> None:
    scene = make_scene(database, images=1)
    with pytest.raises(Conflict, match=r"restore into a new folder|got rows in"):
        restoring.require_empty(place.url, place.home)
    snapshot.save(database, scene.ada, tmp_path / "snapshot.db")
    with pytest.raises(StoreError, match="exists"):
        snapshot.save(database, scene.ada, tmp_path / "snapshot.db")


def test_a_database_of_somebody_else_is_refused(empty_place: Place) -> None:
    empty_place.home.mkdir(parents=True)
    if empty_place.url is None:  # there is a file or there is none
        restoring.require_empty(None, empty_place.home)
        return
    engine = connect_engine(normalize_url(empty_place.url, empty_place.home))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (id INTEGER)"))
    engine.dispose()
    with pytest.raises(Conflict, match="theirs"):
        restoring.require_empty(empty_place.url, empty_place.home)


def test_a_newer_snapshot_is_refused_and_nothing_is_put_in_place(sqlite_place: Place, tmp_path: Path) -> None:
    with sqlite_place.open() as database:
        snapshot.save(database, make_scene(database, images=1).ada, tmp_path / "snapshot.db")
    with closing(sqlite3.connect(tmp_path / "snapshot.db", isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew):
        put(tmp_path / "snapshot.db", Place(None, tmp_path / "new"))
    assert not (tmp_path / "new" / "borderline.db").exists()


@pytest.mark.postgresql
def test_a_number_that_sqlite_cannot_hold_is_said(postgresql_place: Place, tmp_path: Path) -> None:
    with postgresql_place.open() as database:
        scene = filled(database)
        run(database, "UPDATE queries SET score = 'NaN' WHERE rank = 2")
        with pytest.raises(StoreError, match="NaN"):
            snapshot.save(database, scene.ada, tmp_path / "snapshot.db")


def test_a_copy_of_the_file_alone_passes_every_check_and_lacks_what_came_last(
    sqlite_place: Place, tmp_path: Path
) -> None:
    """Why a backup is no copy (F13 in reliability.md): the newest answers are in the log beside the file."""
    with sqlite_place.open() as database:
        scene = make_scene(database)
        database.read(lambda session: session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")))
        scene.ask(5)
        for query in scene.claim(scene.ada, 5):
            scene.submit(scene.ada, query)
        shutil.copy(sqlite_place.home / "borderline.db", tmp_path / "copied.db")
        snapshot.save(database, scene.ada, tmp_path / "snapshot.db")
    copied, saved = (snapshot.contents(tmp_path / f"{name}.db") for name in ("copied", "snapshot"))
    assert copied.problems == saved.problems == ()
    assert (copied.counts["labels"], saved.counts["labels"]) == (0, 5)
