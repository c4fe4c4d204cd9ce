"""A home folder knows its database: an empty or foreign one is refused, a restored one is known again."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from db import homes, projects
from db.access import local_user
from db.engine import Database
from db.errors import WrongDatabase
from db.homes import MARK, recognize
from db.records import ProjectSpec
from tests.database_fixtures import Place


def make_project(database: Database, name: str = "birds") -> None:
    spec = ProjectSpec(name=name, classes=("a", "b"))
    projects.create_project(database, local_user(database, "ada"), spec)


def test_a_service_sees_where_it_is_without_the_password(database: Database) -> None:
    assert recognize(database).sentence.endswith(": 0 projects, 0 labels")
    make_project(database)
    seen = recognize(database)
    assert (seen.projects, seen.labels) == (1, 0)
    assert re.match(rf"connected to {database.dialect}\S+ \(schema \d{{4}}\): 1 projects, 0 labels$", seen.sentence)


def test_counting_stops_where_it_would_hold_up_the_start(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(homes, "COUNTED_AT_MOST", 2)
    seen = homes.Seen("sqlite:///x", "0007", 1, 3)
    assert seen.sentence.endswith("1 projects, over 2 labels")


def test_an_empty_database_is_refused_once_the_home_has_projects(place: Place, sqlite_template: Path) -> None:
    with place.open() as database:
        recognize(database)
        assert not (place.home / MARK).exists()  # nothing of this home is in a database yet
        make_project(database)
        recognize(database)
        again = recognize(database)
        assert again.projects == 1
    empty = place.home / "another.db"
    shutil.copy(sqlite_template, empty)
    with (
        Database.open(f"sqlite:///{empty}", home=place.home) as another,
        pytest.raises(
            WrongDatabase, match=r"got another one: .*0 projects, 0 labels; do: check BORDERLINE_DATABASE_URL"
        ),
    ):
        recognize(another)


def test_a_foreign_database_is_refused_until_a_person_decides(place: Place, sqlite_template: Path) -> None:
    with place.open() as database:
        make_project(database)
        recognize(database)
    foreign = place.home / "another.db"
    shutil.copy(sqlite_template, foreign)
    with Database.open(f"sqlite:///{foreign}", home=place.home) as another:
        make_project(another)  # the same id, at another time
        with pytest.raises(WrongDatabase, match=r"remove .*database\.json"):
            recognize(another)
        (place.home / MARK).unlink()
        assert recognize(another).projects == 1


def test_a_deleted_first_project_and_a_restored_database_are_known(database: Database) -> None:
    make_project(database)
    recognize(database)
    actor = local_user(database, "ada")
    projects.delete_project(database, actor, projects.get_project(database, actor, "birds").id)
    make_project(database, "second")
    assert recognize(database).projects == 2
    kept = json.loads((database.home / MARK).read_text())
    moved = database.read(lambda session: session.execute(text("SELECT min(created_at) FROM projects")).scalar())
    assert kept["created_at"] == moved  # what a backup brings back, whatever the server


def test_a_mark_that_is_damaged_is_not_taken_for_none(database: Database) -> None:
    make_project(database)
    (database.home / MARK).write_text("{}")
    with pytest.raises(WrongDatabase, match="remove the file"):
        recognize(database)
