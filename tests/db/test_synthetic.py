"""Synthetic samples: recorded once whatever is run again, decided by the gate, then by people, and never a sample."""

from __future__ import annotations

import dataclasses
import uuid

import pytest

from db import classes, projects, synthetic
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound
from db.records import SyntheticCounts
from tests.db.making import CHECK, TEST, judged, made, new_candidates
from tests.db.scenes import make_scene, new_file
from tests.db.synthetic_scenes import judge_class, judge_images, shown, sizes, training


def test_an_attempt_that_is_run_again_doubles_nothing(database: Database) -> None:
    scene = make_scene(database)
    nearest = scene.pool()[0]
    first = made(scene, candidates=[new_candidates("first", nearest=nearest)])
    again = made(scene, file=new_file("another.safetensors"), candidates=[new_candidates("another")])
    assert again == first == synthetic.find(database, scene.ada, scene.id, "first")
    assert (first.number, first.made, first.metrics) == (1, {scene.cls("owl"): 4}, {"collapsed": False})
    decision = judged(scene, first)
    assert judged(scene, first, "refused") == decision  # the gate decides once
    assert decision.checks == (CHECK,)
    assert decision.test == TEST
    assert sizes(database) == [1, 4, 1, 1]
    assert {(entry.state, entry.weight, entry.nearest_sample_id) for entry in shown(scene, first.id)} == {
        ("accepted", 0.75, nearest)
    }
    assert made(scene, "second").number == 2
    assert synthetic.find(database, scene.ada, scene.id, "third") is None


def test_another_attempt_under_the_same_key_is_refused(database: Database) -> None:
    scene = make_scene(database)
    made(scene)
    for change in ({"seed": 8}, {"recipe": "GanRecipe(size=2)"}, {"kind": "translation"}):
        with pytest.raises(Conflict, match="name it anew"):
            made(scene, **change)
    with pytest.raises(Conflict):  # the file of another version's images
        made(scene, "second", candidates=[new_candidates("first")])
    assert sizes(database) == [1, 4, 0, 0]


def test_what_cannot_be_recorded(database: Database) -> None:
    scene = make_scene(database)
    theirs = make_scene(database, name="other").pool()[0]
    for change, words in (
        ({"candidates": [new_candidates("first", nearest=theirs)]}, "nearest images"),
        ({"candidates": [new_candidates("first", position=3)]}, "position of a class"),
        ({"kind": "magic"}, "kind out of"),
        ({"metrics": {"loss": float("nan")}}, "finite"),
    ):
        with pytest.raises(InvalidInput, match=words):
            made(scene, **change)
    with pytest.raises(NotFound, match="round"):
        made(scene, round_id=99)
    version = made(scene)
    for change, words in (
        ({"verdict": "perhaps"}, "verdict"),
        ({"verdict": "refused", "weight": 0.5}, "weight above 0"),
        ({"verdict": "accepted", "weight": 0.0}, "weight above 0"),
        ({"checks": [{**CHECK, "value": float("nan")}]}, "figures"),
        ({"position": 9}, "position"),
    ):
        with pytest.raises(InvalidInput, match=words):
            judged(scene, version, **change)
    with pytest.raises(NotFound, match="generator version"):
        judged(scene, dataclasses.replace(version, id=99))
    assert sizes(database) == [1, 4, 0, 0]


def test_the_newest_version_that_was_judged_trains(database: Database) -> None:
    scene = make_scene(database)
    first = made(scene)
    assert training(scene) == []  # nobody judged them
    judged(scene, first)
    assert training(scene) == [("first.npy", row, 0.75) for row in range(4)]
    second = made(scene, "second")
    assert len(training(scene)) == 4  # the second waits for the gate
    judged(scene, second, weight=0.25)
    assert training(scene) == [("second.npy", row, 0.25) for row in range(4)]
    third = made(scene, "third", candidates=[])
    judged(scene, third, "refused", made=0)
    assert training(scene) == []
    assert synthetic.counts(database, scene.ada, scene.id) == SyntheticCounts(accepted=8)


def test_classes_with_enough_labels_need_no_made_images(database: Database) -> None:
    scene = make_scene(database)
    judged(scene, made(scene))
    scene.ask(2)
    for query in scene.claim(scene.ada, 2):
        scene.submit(scene.ada, query, "owl")
    assert len(training(scene, below=3)) == 4
    assert training(scene, below=2) == []


def test_a_person_wins_over_the_gate_and_history_says_so(database: Database) -> None:
    scene = make_scene(database)
    version = made(scene)
    judged(scene, version, "refused")
    assert training(scene) == []
    event = judge_class(scene, version.id, "accepted", note="They look fine.")
    assert (event.against_gate, event.user, event.changed, event.weight) == (True, "ada", 4, synthetic.HAND_WEIGHT)
    assert training(scene) == [("first.npy", row, 0.5) for row in range(4)]
    assert all(entry.against_gate and entry.decider == "ada" for entry in shown(scene, version.id))
    history = synthetic.events(database, scene.ada, scene.id, version_id=version.id, class_id=scene.cls("owl"))
    assert [(entry.decided_by, entry.verdict, entry.note) for entry in history] == [
        ("class review", "accepted", "They look fine."),
        ("gate", "rejected", "They are copies."),
    ]
    group = synthetic.groups(database, scene.ada, scene.id)[0]
    assert (group.accepted, group.rejected, group.class_name) == (4, 0, "owl")
    assert group.decision is not None
    assert group.decision.verdict == "refused"  # it stays as it was
    judged(scene, made(scene, "second"))
    assert len(training(scene)) == 8  # what a person accepted stays beside a newer version


def test_a_decision_that_came_before_the_gates_stays(database: Database) -> None:
    scene = make_scene(database)
    version = made(scene)
    ids = [entry.id for entry in shown(scene, version.id)]
    judge_images(scene, ids[:1], "rejected")
    judged(scene, version)
    assert [entry.state for entry in shown(scene, version.id)] == ["rejected", *["accepted"] * 3]
    assert [row for _, row, _ in training(scene)] == [1, 2, 3]
    judge_class(scene, version.id, "rejected")
    assert training(scene) == []
    assert judge_class(scene, version.id, "accepted").weight == 0.75  # the gate's
    assert [row for _, row, _ in training(scene)] == [1, 2, 3]  # the one decided on singly is left as it is
    event = judge_images(scene, ids[:2], "accepted", weight=0.3)
    assert (event.sample_ids, event.changed) == (tuple(ids[:2]), 1)
    assert [weight for _, _, weight in training(scene)] == [0.3, 0.3, 0.75, 0.75]


def test_a_request_is_heard_once(database: Database) -> None:
    scene = make_scene(database)
    version = made(scene)
    request = str(uuid.uuid4())
    first = judge_class(scene, version.id, "accepted", request_id=request)
    assert judge_class(scene, version.id, "accepted", request_id=request) == first
    with pytest.raises(Conflict, match="got another"):
        judge_class(scene, version.id, "rejected", request_id=request)
    with pytest.raises(Conflict, match="got another"):
        judge_images(scene, [shown(scene, version.id)[0].id], "accepted", request_id=request)
    assert sizes(database)[3] == 1


def test_what_cannot_be_decided(database: Database) -> None:
    scene, other = make_scene(database), make_scene(database, name="other")
    version = made(scene, candidates=[new_candidates("owls"), new_candidates("cats", position=0)])
    theirs = made(other, "theirs")
    ids = [entry.id for entry in shown(scene, version.id)]
    cats = synthetic.images(database, scene.ada, scene.id, version.id, scene.cls("cat"))
    with pytest.raises(InvalidInput, match="one class"):
        judge_images(scene, [ids[0], cats[0].id], "accepted")
    with pytest.raises(NotFound, match="got fewer"):
        judge_images(scene, [shown(other, theirs.id)[0].id], "accepted")
    with pytest.raises(NotFound, match="got none"):
        judge_class(scene, theirs.id, "accepted")
    for bad in ({"ids": []}, {"ids": ids, "weight": 0}, {"ids": ids, "request_id": "7"}, {"ids": ids, "note": "\x00"}):
        with pytest.raises(InvalidInput):
            judge_images(scene, bad.pop("ids"), "accepted", **bad)
    with pytest.raises(InvalidInput, match="accepted"):
        judge_class(scene, version.id, "maybe")
    assert sizes(database)[3] == 0


def test_a_merged_class_takes_its_images_along(database: Database) -> None:
    scene = make_scene(database)
    version = made(scene)
    judged(scene, version)
    classes.merge(database, scene.ada, scene.id, scene.cls("owl"), scene.cls("dog"))
    found = synthetic.for_training(database, scene.system, scene.id)
    assert [entry.position for entry in found] == [1] * 4
    group = synthetic.groups(database, scene.ada, scene.id)[0]
    assert (group.class_name, group.accepted) == ("dog", 4)
    assert group.decision is not None
    assert group.decision.class_id == scene.cls("owl")
    later = made(scene, "later")  # a maker trained before knows the old position
    assert later.made == {scene.cls("dog"): 4}
    judged(scene, later, "refused")
    assert training(scene) == []


def test_a_removed_class_rejects_its_images(database: Database) -> None:
    scene = make_scene(database)
    version = made(scene)
    judged(scene, version)
    classes.remove(database, scene.ada, scene.id, scene.cls("owl"), ask_again=True)
    assert training(scene) == []
    assert {entry.decided_by for entry in shown(scene, version.id)} == {"class removed"}
    event = synthetic.events(database, scene.ada, scene.id)[0]
    assert (event.decided_by, event.changed, event.note) == ("class removed", 4, "the class owl was removed")
    assert synthetic.groups(database, scene.ada, scene.id) == []


def test_settings_have_defaults_and_bounds(database: Database) -> None:
    scene = make_scene(database, images=0)
    project = scene.project
    assert (project.balance, project.generate, project.generate_below, project.copy_check_share) == (
        "auto", "none", 100, 0.02,
    )  # fmt: skip
    given = {"balance": "sampling", "generate": "gan", "generate_below": 20, "copy_check_share": 0.2}
    changed = projects.update_project(database, scene.ada, scene.id, **given)
    assert {field: getattr(changed, field) for field in given} == given
    for field, value in {"balance": "up", "generate": "magic", "generate_below": 19, "copy_check_share": 0.21}.items():
        with pytest.raises(InvalidInput):
            projects.update_project(database, scene.ada, scene.id, **{field: value})
