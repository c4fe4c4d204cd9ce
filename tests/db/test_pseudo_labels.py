"""Pseudo-labels of a round: replaced while it is prepared, kept once it is out, and good for one training."""

from __future__ import annotations

import pytest

from db import projects, pseudo_labels, rounds
from db.engine import Database
from db.errors import InvalidInput, NotFound
from db.records import NewQuery, NewQueue, Round
from tests.db.scenes import Scene, make_scene, new_file, scalar


def begin(scene: Scene) -> Round:
    turn = rounds.begin_round(scene.database, scene.system, scene.id)
    assert isinstance(turn, Round)
    return turn


def send_out(scene: Scene, turn: Round) -> None:
    """Ask one image in the round and answer it, so that the round is complete."""
    query = NewQuery(sample_id=scene.pool()[0], rank=0)
    rounds.enqueue(scene.database, scene.system, turn.id, NewQueue(queries=[query], strategy="ceal"))
    scene.submit(scene.ada, scene.claim(scene.ada)[0])


def path_for_training(scene: Scene) -> str | None:
    found = pseudo_labels.for_training(scene.database, scene.id)
    return None if found is None else found.path


def test_an_attempt_replaces_what_an_interrupted_one_recorded_until_the_round_is_out(database: Database) -> None:
    scene = make_scene(database)
    turn = begin(scene)
    for name, count in (("lost.npy", 7), ("kept.npy", 4), ("kept.npy", 4)):
        assert pseudo_labels.record(database, scene.system, turn.id, new_file(name), count) == count
    assert scalar(database, "SELECT count(*) FROM pseudo_labels") == 1
    assert path_for_training(scene) is None  # not out yet
    send_out(scene, turn)
    assert pseudo_labels.record(database, scene.system, turn.id, new_file("late.npy"), 9) == 4
    assert pseudo_labels.record(database, scene.system, turn.id, None) == 4
    found = pseudo_labels.for_training(database, scene.id)
    assert found is not None
    assert (found.path, found.sha256, found.count) == ("kept.npy", new_file("kept.npy").sha256, 4)


def test_an_attempt_without_any_clears_those_of_an_interrupted_one(database: Database) -> None:
    scene = make_scene(database)
    turn = begin(scene)
    pseudo_labels.record(database, scene.system, turn.id, new_file("lost.npy"), 7)
    assert pseudo_labels.record(database, scene.system, turn.id, None) == 0
    send_out(scene, turn)
    assert path_for_training(scene) is None


def test_only_the_newest_round_that_is_out_counts(database: Database) -> None:
    scene, other = make_scene(database), make_scene(database, name="other")
    first = begin(scene)
    pseudo_labels.record(database, scene.system, first.id, new_file("1.npy"), 1)
    send_out(scene, first)
    second = begin(scene)
    pseudo_labels.record(database, scene.system, second.id, new_file("2.npy"), 2)
    assert path_for_training(scene) == "1.npy"  # the second is being prepared
    send_out(scene, second)
    assert path_for_training(scene) == "2.npy"
    third = begin(scene)
    send_out(scene, third)
    assert path_for_training(scene) is None  # the third made none, and the second's are used up
    assert path_for_training(other) is None


def test_what_cannot_be_recorded(database: Database) -> None:
    scene = make_scene(database)
    turn = begin(scene)
    for count in (0, -1, 2.5):
        with pytest.raises(InvalidInput, match="number of pseudo-labels"):
            pseudo_labels.record(database, scene.system, turn.id, new_file("p.npy"), count)
    with pytest.raises(NotFound, match="expected a round"):
        pseudo_labels.record(database, scene.system, 99, new_file("p.npy"), 1)
    assert scalar(database, "SELECT count(*) FROM pseudo_labels") == 0


def test_the_cold_start_is_a_setting_like_the_strategy(database: Database) -> None:
    scene = make_scene(database, images=0)
    assert scene.project.cold_start == "typiclust"
    changed = projects.update_project(database, scene.ada, scene.id, cold_start="probcover")
    assert changed.cold_start == projects.get_project(database, scene.ada, "zoo").cold_start == "probcover"
    assert (
        make_scene(database, images=0, name="b", cold_start="random_sampling").project.cold_start == "random_sampling"
    )
    with pytest.raises(InvalidInput, match="cold start"):
        projects.update_project(database, scene.ada, scene.id, cold_start="")
