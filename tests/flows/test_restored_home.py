"""A restored home knows which database is its own, and the command that is said begins with that one."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url

from db.engine import Database
from db.errors import WrongDatabase
from db.homes import MARK, recognize
from flows.backup import back_up
from flows.report import SilentReporter
from tests.database_fixtures import Place
from tests.flows.conftest import Said
from tests.flows.keeping import scene_with_files, store_at

SECRET = "canary-4711-secret"


@pytest.fixture
def backups(sqlite_template: Path, tmp_path: Path) -> Path:
    source = Place(None, tmp_path / "source")
    source.home.mkdir()
    shutil.copy(sqlite_template, source.home / "borderline.db")
    store = store_at(source)
    scene_with_files(store)
    back_up(store, tmp_path / "backups", SilentReporter())
    store.database.close()
    return tmp_path / "backups"


def test_a_restored_home_knows_its_database_and_the_command_names_it(
    backups: Path, empty_place: Place, sqlite_template: Path, run: Callable[..., Said], tmp_path: Path
) -> None:
    home, options = tmp_path / "a restored home", []
    if empty_place.url is not None:
        address = make_url(empty_place.url).set(password=SECRET)  # the server trusts whoever is on this machine
        options = ["--database-url", address.render_as_string(hide_password=False)]
    said = run("restore", backups, "--into", home, *options)
    assert said.code == 0, said
    assert SECRET not in said.out + said.err
    assert (home / MARK).is_file()
    [line] = [line for line in said.out.splitlines() if line.startswith("Start it with: ")]
    *given, program, command = shlex.split(line)[3:]
    assert (program, command) == ("borderline", "up")
    variables = dict(word.split("=", 1) for word in given)
    assert variables.pop("BORDERLINE_HOME") == str(home)
    assert bool(variables) == (empty_place.url is not None)
    with Database.open(variables.get("BORDERLINE_DATABASE_URL"), home=home) as database:
        assert recognize(database).projects == 1
    shutil.copy(sqlite_template, home / "another.db")
    with Database.open(f"sqlite:///{home}/another.db", home=home) as another, pytest.raises(WrongDatabase):
        recognize(another)
