"""Projects: what they may be called, what may change, and what a wrong name is answered with."""

from __future__ import annotations

import pytest

from db import access, members, projects
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
    with sqlite_place.open() as database:
        ada = access.local_user(database, "ada")
        for spec in (ProjectSpec(name=name, classes=("a", "b")), ProjectSpec(name="p", classes=(name, "b"))):
            with pytest.raises(InvalidInput, match="expected"):
                projects.create_project(database, ada, spec)
        with pytest.raises(InvalidInput, match="expected"):
            access.local_user(database, name)


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
    with sqlite_place.open() as database:
        ada = access.local_user(database, "ada")
        with pytest.raises(InvalidInput, match="expected"):
            projects.create_project(database, ada, ProjectSpec(**{"name": "p", "classes": ("a", "b"), **change}))


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


def test_an_overlap_above_the_people_is_refused_with_the_reason(database: Database) -> None:
    scene = make_scene(database, images=0)

    def change(**values: object) -> object:
        return projects.update_project(database, scene.ada, scene.id, **values)

    with pytest.raises(InvalidInput, match=r"overlap of at most 1, got 2, but 1 person may answer here; add people"):
        change(overlap=2)
    with pytest.raises(InvalidInput, match="max_overlap of at most 1, got 3"):
        change(max_overlap=3)
    bob = access.local_user(database, "bob")
    access.add_user(database, scene.ada, "nobody here")
    change(overlap=2)
    with pytest.raises(InvalidInput, match="of at most 2, got 3, but 2 people"):
        change(max_overlap=3)
    with pytest.raises(InvalidInput, match="of at least the overlap"):
        change(max_overlap=1)
    change(max_overlap=3, people_expected=3)
    members.set_state(database, scene.ada, scene.id, bob.user_id, "paused")
    change(overlap=2, max_overlap=3, guidelines="what was accepted before never keeps other settings from changing")
    with pytest.raises(InvalidInput):
        change(overlap=3)


def test_a_new_project_can_say_how_many_people_will_answer(database: Database) -> None:
    ada = access.local_user(database, "ada")
    spec = ProjectSpec(name="p", classes=("a", "b"), overlap=3)
    with pytest.raises(InvalidInput, match="say how many people are expected"):
        projects.create_project(database, ada, spec, people_expected=0)
    assert projects.create_project(database, ada, spec, people_expected=3).overlap == 3
    with pytest.raises(InvalidInput, match="at least the overlap"):
        projects.create_project(database, ada, ProjectSpec(name="q", classes=("a", "b"), overlap=2, max_overlap=1))
