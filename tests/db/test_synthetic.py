"""Synthetic samples: recorded once whatever is run again, decided by the gate, then by people, and never a sample."""

from __future__ import annotations

import dataclasses
import itertools
import uuid

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from db import access, classes, model_versions, projects, samples, synthetic
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from db.records import Actor, NewModelVersion, NewSample, Role, SyntheticCounts, SyntheticEvent, SyntheticSample
from tests.db.making import CHECK, TEST, judged, made, new_candidates, new_version
from tests.db.scenes import Scene, make_scene, new_file, new_shard, scalar, sha

TABLES = ("generator_versions", "synthetic_samples", "gate_decisions", "synthetic_events")


def sizes(database: Database) -> list[int]:
    return [scalar(database, f"SELECT count(*) FROM {table}") for table in TABLES]


def shown(scene: Scene, version_id: int) -> list[SyntheticSample]:
    return synthetic.images(scene.database, scene.ada, scene.id, version_id, scene.cls("owl"))


def training(scene: Scene, **more: int) -> list[tuple[str, int, float]]:
    found = synthetic.for_training(scene.database, scene.system, scene.id, **more)
    return [(entry.path, entry.row, entry.weight) for entry in found]


def judge_class(scene: Scene, version_id: int, verdict: str, **more: object) -> SyntheticEvent:
    return synthetic.judge_class(
        scene.database, scene.ada, scene.id, version_id, scene.cls("owl"), verdict,
        **{"request_id": str(uuid.uuid4()), **more},
    )  # fmt: skip


def judge_images(scene: Scene, ids: list[int], verdict: str, **more: object) -> SyntheticEvent:
    return synthetic.judge_images(
        scene.database, scene.ada, scene.id, ids, verdict, **{"request_id": str(uuid.uuid4()), **more}
    )


def member(scene: Scene, name: str, role: Role) -> Actor:
    found = access.add_user(scene.database, scene.ada, name)
    access.add_member(scene.database, scene.ada, scene.id, found.id, role)
    return Actor(user_id=found.id, name=name, role=role)


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


def test_roles_are_checked(database: Database) -> None:
    scene = make_scene(database)
    version = made(scene)
    image = shown(scene, version.id)[0].id
    annotator, reviewer = member(scene, "ann", Role.annotator), member(scene, "rex", Role.reviewer)
    request, owl = str(uuid.uuid4()), scene.cls("owl")
    for low, calls in {
        annotator: [
            lambda: synthetic.groups(database, annotator, scene.id),
            lambda: synthetic.images(database, annotator, scene.id, version.id, owl),
            lambda: synthetic.events(database, annotator, scene.id),
            lambda: synthetic.display_of(database, annotator, scene.id, image),
            lambda: synthetic.judge_images(database, annotator, scene.id, [image], "accepted", request_id=request),
            lambda: synthetic.judge_class(
                database, annotator, scene.id, version.id, owl, "accepted", request_id=request
            ),
        ],
        reviewer: [
            lambda: synthetic.record(database, reviewer, scene.id, new_version("x")),
            lambda: synthetic.for_training(database, reviewer, scene.id),
        ],
    }.items():
        for call in calls:
            with pytest.raises(PermissionDenied, match=low.name):
                call()
    assert synthetic.judge_images(database, reviewer, scene.id, [image], "accepted", request_id=request).user == "rex"
    assert synthetic.display_of(database, reviewer, scene.id, image).path == "first.pack"


def test_history_is_append_only(database: Database) -> None:
    scene = make_scene(database)
    judged(scene, made(scene))
    for change in ("UPDATE synthetic_events SET note = ''", "DELETE FROM synthetic_events"):
        with pytest.raises(DBAPIError, match="append-only"):
            database.write(lambda session, change=change: session.execute(text(change)))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE synthetic_samples SET weight = 0",  # accepted ones count
        "UPDATE synthetic_samples SET state = 'candidate'",  # nobody decided on a candidate
        "UPDATE synthetic_samples SET decided_by = 'nobody'",
        "UPDATE gate_decisions SET verdict = 'refused'",  # with a weight
        "INSERT INTO gate_decisions SELECT 9, project_id, generator_version_id, class_id, verdict, weight, reason, "
        "real_count, made_count, checks, test, created_at FROM gate_decisions",
        "DELETE FROM generator_versions",
        "DELETE FROM samples",
    ],
)
def test_the_database_itself_refuses(database: Database, change: str) -> None:
    scene = make_scene(database)
    judged(scene, made(scene, candidates=[new_candidates("first", nearest=scene.pool()[0])]))
    with pytest.raises(IntegrityError), database.engine.begin() as connection:
        connection.execute(text(change))


# Never a sample


def test_a_generated_image_is_never_taken_in_as_a_sample(database: Database) -> None:
    scene = make_scene(database, images=3)
    made(scene)
    other = make_scene(database, images=0, name="other")  # nor in another project
    for place, what, split in itertools.product((scene, other), ("png", "pixels"), ("pool", "validation", "test")):
        planted = NewSample(
            sha256=sha(f"first {what} 2"), name="owl.png", row=0, width=8, height=8, display_offset=0,
            display_length=10, media_type="image/png", split=split, known_class="owl",
        )  # fmt: skip
        with pytest.raises(InvalidInput, match=r"generator made \(owl.png\)"):
            samples.register_shard(database, place.ada, place.id, new_shard(f"more{place.id}"), [planted], "use")
        found = synthetic.known_synthetic(database, scene.ada, scene.id, [planted.sha256, sha("zoo0")])
        assert found == {planted.sha256}
    assert scalar(database, "SELECT count(*) FROM samples") == 3


@pytest.mark.parametrize("split", ["pool", "test"])
def test_nor_can_one_be_planted_in_a_split_past_the_store(database: Database, split: str) -> None:
    """With a trigger of the database: an UPDATE or INSERT of somebody who does not ask the store is refused, too."""
    scene = make_scene(database, images=3)
    made(scene)
    planted = f"UPDATE samples SET sha256 = '{sha('first png 0')}', split = '{split}' WHERE id = {scene.pool()[0]}"
    columns = "project_id, sha256, name, split, known_hidden, shard_id, shard_row, display_offset, display_length, "
    columns += "media_type, width, height, notes, created_at"
    copied = columns.replace("sha256", f"'{sha('first pixels 0')}'").replace("split", f"'{split}'", 1)
    copied = copied.replace("shard_row", "99")
    inserted = f"INSERT INTO samples ({columns}) SELECT {copied} FROM samples LIMIT 1"
    for statement in (planted, inserted):
        with pytest.raises(IntegrityError, match="made by a generator"), database.engine.begin() as connection:
            connection.execute(text(statement))


def test_synthetic_samples_are_counted_apart_from_labels(database: Database) -> None:
    scene = make_scene(database)
    before = samples.counts(database, scene.id)
    judged(scene, made(scene))
    assert samples.counts(database, scene.id) == before
    assert synthetic.counts(database, scene.ada, scene.id) == SyntheticCounts(accepted=4)
    new = NewModelVersion(
        file=new_file("m"), architecture="a", recipe="r", strategy="s", seed=1, labels_used=3, synthetic_used=4
    )
    stored = model_versions.record(database, scene.system, scene.id, new)
    assert (stored.labels_used, stored.synthetic_used) == (3, 4)


# Classes that merge and go


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


# Settings


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
