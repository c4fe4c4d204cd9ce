"""Comparisons in SQL: found again by their key, their points kept once, alive only while their process is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from db import access, comparison_log, comparisons, jobs, projects
from db.comparison_rows import job_kind
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from db.records import Actor, ComparisonRun, Role
from tests.db.comparing import ARMS, SEEDS, compared, first_run, new_comparison, point
from tests.db.scenes import Scene, make_scene, new_file


@pytest.fixture
def scene(database: Database) -> Scene:
    return make_scene(database, images=3)


def runs_of(scene: Scene) -> list[ComparisonRun]:
    return comparisons.runs(scene.database, scene.system, compared(scene).id)


def viewer(scene: Scene, name: str = "vera") -> Actor:
    user = access.add_user(scene.database, scene.ada, name)
    access.add_member(scene.database, scene.ada, scene.id, user.id, Role.viewer)
    return Actor(user_id=user.id, name=name, role=None)


def test_it_is_found_again_by_its_key(scene: Scene) -> None:
    made = compared(scene)
    assert (made.state, made.points_done, made.points_wanted, made.about) == ("stopped", 0, 12, {})
    assert compared(scene).id == made.id
    assert [(run.arm, run.seed, run.state) for run in runs_of(scene)] == [
        (arm, seed, "waiting") for arm in ARMS for seed in SEEDS
    ]
    assert compared(scene, key="1" * 64).id != made.id


@pytest.mark.parametrize("change", [{"settings": {"strategies": ["margin"]}}, {"runs": (("dfal", 0),)}])
def test_one_key_is_never_two_comparisons(scene: Scene, change: dict[str, object]) -> None:
    compared(scene)
    with pytest.raises(Conflict, match="key"):
        compared(scene, **change)


def test_it_belongs_to_a_simulation_and_has_runs(scene: Scene) -> None:
    with pytest.raises(InvalidInput, match="simulation"):
        comparisons.start_or_find(scene.database, scene.system, scene.id, new_comparison())
    with pytest.raises(InvalidInput, match="run"):
        compared(scene, runs=())


def test_a_point_comes_back_as_it_was_kept(scene: Scene) -> None:
    kept = point(20), point(30, query_seconds=None, accuracy=1 / 3)
    for one in reversed(kept):
        assert comparison_log.record_point(scene.database, scene.system, first_run(scene), one)
    assert runs_of(scene)[0].points == kept
    assert compared(scene).points_done == 2


def test_the_same_point_again_is_fine_and_another_result_is_not(scene: Scene) -> None:
    run = first_run(scene)
    assert comparison_log.record_point(scene.database, scene.system, run, point(20))
    again = point(20, train_seconds=9.0, query_seconds=None, figures={})
    assert not comparison_log.record_point(scene.database, scene.system, run, again)
    assert runs_of(scene)[0].points == (point(20),)
    for change in ({"accuracy": 0.9}, {"queried": (1, 3, 2)}, {"class_recall": (0.25, 0.0, 1.0)}):
        with pytest.raises(Conflict, match=next(iter(change))):
            comparison_log.record_point(scene.database, scene.system, run, point(20, **change))
    assert compared(scene).points_done == 1


@pytest.mark.parametrize(
    "change",
    [
        {"labels": 0},
        {"accuracy": 1.5},
        {"accuracy": float("nan")},
        {"balanced_accuracy": -0.1},
        {"class_recall": (0.5,)},
        {"class_recall": (0.5, None, 7.0)},
        {"class_labels": (-1, 0, 0)},
        {"queried": (1, 1)},
        {"train_seconds": float("inf")},
        {"query_seconds": -1.0},
        {"figures": {"loss": float("nan")}},
    ],
    ids=str,
)
def test_what_cannot_be_is_not_kept(scene: Scene, change: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        comparison_log.record_point(scene.database, scene.system, first_run(scene), replace(point(20), **change))
    assert compared(scene).points_done == 0


def test_the_database_itself_keeps_a_point_once(scene: Scene) -> None:
    run = first_run(scene)
    comparison_log.record_point(scene.database, scene.system, run, point(20))
    columns = "run_id, labels, accuracy, balanced_accuracy, class_recall, class_labels, queried, query_seconds"
    columns += ", train_seconds, figures, created_at"
    with pytest.raises(IntegrityError), scene.database.engine.begin() as connection:
        connection.execute(text(f"INSERT INTO comparison_points ({columns}) SELECT {columns} FROM comparison_points"))


def test_it_runs_while_its_job_lives_and_no_longer(scene: Scene) -> None:
    made = compared(scene)
    comparison_log.set_state(scene.database, scene.system, made.id, "running")
    assert compared(scene).state == "stopped"  # nobody carries it out
    job = jobs.begin(scene.database, scene.system, scene.id, job_kind(made.id), "host")
    assert job is not None
    jobs.heartbeat(scene.database, job, 1, 12, "dfal, seed 0")
    assert (compared(scene).state, compared(scene).note) == ("running", "dfal, seed 0")
    with pytest.raises(Conflict, match="stop it first"):
        comparisons.delete(scene.database, scene.system, made.id)
    scene.database.write(lambda session: session.execute(text("UPDATE jobs SET heartbeat_at = 1")))
    assert compared(scene).state == "stopped"
    assert "goes on" in compared(scene).note


def test_a_stop_is_heard_at_the_next_heartbeat(scene: Scene) -> None:
    made = compared(scene)
    assert not comparisons.request_stop(scene.database, scene.ada, made.id)
    job = jobs.begin(scene.database, scene.system, scene.id, job_kind(made.id), "host")
    assert job is not None
    assert jobs.heartbeat(scene.database, job)
    assert comparisons.request_stop(scene.database, scene.ada, made.id)
    assert not jobs.heartbeat(scene.database, job)


def test_runs_under_way_wait_again_when_it_stops(scene: Scene) -> None:
    first, second = runs_of(scene)[:2]
    comparison_log.set_run_state(scene.database, scene.system, first.id, "running")
    comparison_log.set_run_state(scene.database, scene.system, second.id, "failed", "out of memory")
    comparison_log.set_state(scene.database, scene.system, compared(scene).id, "stopped", "Ctrl-C")
    assert [(run.state, run.note) for run in runs_of(scene)[:2]] == [("waiting", ""), ("failed", "out of memory")]
    with pytest.raises(InvalidInput, match="state"):
        comparison_log.set_state(scene.database, scene.system, compared(scene).id, "finished")


def test_what_is_known_of_it_adds_up(scene: Scene) -> None:
    made = compared(scene)
    comparison_log.add_about(scene.database, scene.system, made.id, {"device": "cpu", "recipe": "a"})
    known = comparison_log.add_about(scene.database, scene.system, made.id, {"recipe": "b"}).about
    assert known == comparisons.get(scene.database, scene.ada, made.id).about == {"device": "cpu", "recipe": "b"}


def test_a_deleted_one_is_seen_no_more_and_its_key_is_free(scene: Scene) -> None:
    made = compared(scene)
    comparison_log.record_point(scene.database, scene.system, first_run(scene), point(20))
    comparisons.delete(scene.database, scene.ada, made.id)
    with pytest.raises(NotFound):
        comparisons.get(scene.database, scene.ada, made.id)
    assert comparisons.list_comparisons(scene.database, scene.ada) == []
    new = compared(scene)
    assert new.id != made.id
    assert new.points_done == 0


def test_its_files_are_replaced_by_kind_and_name(scene: Scene) -> None:
    made = compared(scene)
    for path in ("one.json", "two.json", "two.json"):
        comparison_log.record_file(scene.database, scene.system, made.id, "map", "all", new_file(path))
    comparison_log.record_file(scene.database, scene.system, made.id, "sheet", "dfal", new_file("sheet.png"))
    found = comparisons.files_of(scene.database, scene.ada, made.id)
    assert [(file.kind, file.name, file.path) for file in found] == [
        ("map", "all", "two.json"),
        ("sheet", "dfal", "sheet.png"),
    ]
    assert found[0].sha256 == new_file("two.json").sha256


def test_who_sees_the_project_sees_its_comparisons(scene: Scene) -> None:
    made, vera = compared(scene), viewer(scene)
    other = make_scene(scene.database, name="other", images=0)
    hidden = compared(other)
    assert [one.id for one in comparisons.list_comparisons(scene.database, vera)] == [made.id]
    assert [one.id for one in comparisons.list_comparisons(scene.database, scene.ada)] == [hidden.id, made.id]
    assert [one.id for one in comparisons.list_comparisons(scene.database, scene.ada, scene.id)] == [made.id]
    with pytest.raises(PermissionDenied):
        comparisons.get(scene.database, vera, hidden.id)
    with pytest.raises(PermissionDenied):
        comparisons.list_comparisons(scene.database, vera, other.id)
    projects.delete_project(scene.database, scene.ada, scene.id)
    assert [one.id for one in comparisons.list_comparisons(scene.database, scene.ada)] == [hidden.id]
