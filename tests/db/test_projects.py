"""Projects: what they may be called, what may change, and what a wrong name is answered with."""

from __future__ import annotations

import pytest

from db import access, projects
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound
from db.records import ProjectSpec
from tests.db.scenes import make_scene

HOSTILE = [
    "Robert'); DROP TABLE projects;--",
    '"quoted"',
    "<script>alert(1)</script>",
    "=HYPERLINK(1)",
    "**bold** [x](javascript:1)",
    "日本語 \u202e rtl",
    "%s %d {0} {{x}} :name",
    "x" * 200,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_text_of_one_line_is_only_a_name(database: Database, name: str) -> None:
    ada = access.local_user(database, name)
    made = projects.create_project(database, ada, ProjectSpec(name=name, classes=(name, "b"), guidelines=name * 10))
    assert projects.get_project(database, ada, name) == made
    assert (made.name, made.class_names, made.guidelines) == (name, (name, "b"), name * 10)


@pytest.mark.parametrize("name", ["", "   ", "a\x00b", "two\nlines", "x" * 10_000, "\udc80", 7])
def test_what_cannot_be_a_name_is_refused(sqlite_place: object, name: object) -> None:
    with sqlite_place.open() as database:  # type: ignore[attr-defined]
        ada = access.local_user(database, "ada")
        for spec in (ProjectSpec(name=name, classes=("a", "b")), ProjectSpec(name="p", classes=(name, "b"))):  # type: ignore[arg-type]
            with pytest.raises(InvalidInput, match="expected"):
                projects.create_project(database, ada, spec)
        with pytest.raises(InvalidInput, match="expected"):
            access.local_user(database, name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ("a",)},
        {"classes": ("a", "a")},
        {"classes": "ab"},
        {"channels": 2},
        {"image_size": 0},
        {"batch_size": 0},
        {"overlap": 0},
        {"holdout_share": 1.5},
        {"holdout_share": float("nan")},
        {"seed": -1},
        {"reserve_size": -1},
    ],
)
def test_settings_out_of_range_are_refused(sqlite_place: object, change: dict[str, object]) -> None:
    with sqlite_place.open() as database:  # type: ignore[attr-defined]
        ada = access.local_user(database, "ada")
        with pytest.raises(InvalidInput, match="expected"):
            projects.create_project(database, ada, ProjectSpec(**{"name": "p", "classes": ("a", "b"), **change}))  # type: ignore[arg-type]


def test_defaults_keys_and_the_reserve(database: Database) -> None:
    ada = access.local_user(database, "ada")
    names = tuple(f"class {number}" for number in range(40))
    made = projects.create_project(database, ada, ProjectSpec(name="p", classes=names, batch_size=7))
    keys = [entry.key for entry in made.classes]
    assert keys[:10] == [*"123456789", "q"]
    assert len(set(keys)) == 40
    assert made.reserve_size == 14
    assert projects.update_project(database, ada, made.id, reserve_size=3, batch_size=9).reserve_size == 3


def test_a_wrong_name_lists_what_exists_with_a_close_match(database: Database) -> None:
    scene = make_scene(database, images=0)
    with pytest.raises(NotFound, match=r"'zoo'.*got 'zo0'; did you mean 'zoo'\?"):
        projects.get_project(database, scene.ada, "zo0")
    assert projects.get_project(database, scene.ada, scene.id).name == "zoo"
    assert projects.get_project(database, scene.ada, str(scene.id)).name == "zoo"
    projects.delete_project(database, scene.ada, scene.id)
    with pytest.raises(NotFound, match="there is none yet"):
        projects.get_project(database, scene.ada, "zoo")


def test_names_are_taken_once(database: Database) -> None:
    scene = make_scene(database, images=0)
    other = make_scene(database, images=0, name="other")
    with pytest.raises(Conflict, match="project already"):
        make_scene(database, images=0)
    with pytest.raises(Conflict, match="project already"):
        projects.update_project(database, scene.ada, other.id, name="zoo")
    assert [entry.name for entry in projects.list_projects(database, scene.ada)] == ["other", "zoo"]


@pytest.mark.parametrize("field", ["image_size", "channels", "classes", "id", "state", "nonsense"])
def test_some_settings_stay(database: Database, field: str) -> None:
    scene = make_scene(database, images=0)
    with pytest.raises(InvalidInput, match="setting that can change"):
        projects.update_project(database, scene.ada, scene.id, **{field: 3})
