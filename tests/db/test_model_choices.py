"""Which model version is in use: every change is noted with its reason, and only a whole file can be chosen."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text

from db import access, holdout, model_choices, model_versions, rounds, samples
from db.engine import Database
from db.errors import FileDamaged, InvalidInput, NotFound
from db.records import ModelVersion, NewModelVersion, NewQuery, NewQueue, Role
from tests.db.scenes import Scene, make_scene, written_file


def trained(scene: Scene, name: str, **more: object) -> ModelVersion:
    """Record a version whose file is on disk."""
    file = written_file(scene.database.home, f"{name}.safetensors")
    fields = {"architecture": "convnet", "recipe": "r", "strategy": "s", "seed": 0, "labels_used": 1, **more}
    return model_versions.record(scene.database, scene.system, scene.id, NewModelVersion(file=file, **fields))


def in_use(scene: Scene) -> int | None:
    current = model_versions.current(scene.database, scene.id)
    return None if current is None else current.number


def noted(scene: Scene) -> list[tuple[int, str, str]]:
    found = model_choices.choices(scene.database, scene.ada, scene.id)
    return [(item.number, item.by, item.reason) for item in found]


def promote(scene: Scene, version: ModelVersion, instead_of: ModelVersion | None, reason: str = "better") -> bool:
    over = None if instead_of is None else instead_of.id
    return model_choices.promote(scene.database, scene.system, scene.id, version.id, reason, instead_of=over)


def test_each_change_is_noted_once_with_who_and_why(database: Database) -> None:
    scene = make_scene(database)
    one, two = trained(scene, "one"), trained(scene, "two")
    assert in_use(scene) is None
    assert promote(scene, one, None, "the first")
    assert promote(scene, one, None, "again, after a kill")
    assert promote(scene, two, one)
    chosen = model_choices.choose(database, scene.ada, scene.id, one.id, " two takes owls for cats ")
    assert (chosen.id, chosen.current) == (one.id, True)
    model_choices.choose(database, scene.ada, scene.id, one.id, "in use already")
    system = noted(scene)[-1][1]
    assert noted(scene) == [
        (1, "ada", "chosen by hand: two takes owls for cats"),
        (2, system, "better"),
        (1, system, "the first"),
    ]
    assert in_use(scene) == 1
    listed = model_choices.versions(database, scene.ada, scene.id)
    assert [(item.version.number, item.version.current) for item in listed] == [(2, False), (1, True)]
    assert [item.choice.reason for item in listed if item.choice] == ["better", noted(scene)[0][2]]


def test_the_mark_and_the_note_come_together(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = make_scene(database)
    one, two = trained(scene, "one"), trained(scene, "two")
    promote(scene, one, None)
    monkeypatch.setattr(model_choices, "now", lambda _: 1 // 0)  # dies between the mark and the note
    with pytest.raises(ZeroDivisionError):
        model_choices.choose(database, scene.ada, scene.id, two.id)
    assert (in_use(scene), len(noted(scene))) == (1, 1)


def test_a_promotion_over_another_version_than_it_was_compared_with_does_nothing(database: Database) -> None:
    scene = make_scene(database)
    one, two, three = (trained(scene, name) for name in ("one", "two", "three"))
    promote(scene, two, None)
    model_choices.choose(database, scene.ada, scene.id, one.id)
    assert not promote(scene, three, two)
    assert in_use(scene) == 1
    assert promote(scene, three, one)


def test_one_of_two_promotions_at_once_is_refused(database: Database) -> None:
    scene = make_scene(database)
    one, two, three = (trained(scene, name) for name in ("one", "two", "three"))
    promote(scene, one, None)
    done: list[bool] = []
    start = threading.Barrier(2)

    def run(version: ModelVersion) -> None:
        start.wait()
        done.append(promote(scene, version, one))

    threads = [threading.Thread(target=run, args=(version,)) for version in (two, three)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False, True]
    assert len(noted(scene)) == 2


@pytest.mark.parametrize("harm", ["missing", "changed"])
def test_a_version_without_its_file_cannot_be_chosen(database: Database, harm: str) -> None:
    scene = make_scene(database)
    one, two = trained(scene, "one"), trained(scene, "two")
    promote(scene, two, None)
    path = database.home / one.path
    if harm == "missing":
        path.unlink()
    else:
        path.write_text("eno")
    with pytest.raises(FileDamaged, match="restore it from a backup"):
        model_choices.choose(database, scene.ada, scene.id, one.id)
    with pytest.raises(FileDamaged):
        promote(scene, one, two)
    assert (in_use(scene), len(noted(scene))) == (2, 1)


def test_versions_of_other_projects_and_strange_reasons_are_refused(database: Database) -> None:
    scene, other = make_scene(database), make_scene(database, name="other")
    mine, theirs = trained(scene, "mine"), trained(other, "theirs")
    with pytest.raises(NotFound):
        model_choices.choose(database, scene.ada, scene.id, theirs.id)
    with pytest.raises(InvalidInput, match="control characters"):
        model_choices.choose(database, scene.ada, scene.id, mine.id, "a\x07b")
    assert in_use(scene) is None


def test_a_reviewer_of_the_project_sees_versions_and_chooses_none(database: Database) -> None:
    scene = make_scene(database)
    one = trained(scene, "one")
    user = access.add_user(database, scene.ada, "rev", None)
    access.add_member(database, scene.ada, scene.id, user.id, Role.reviewer)
    rev = access.Actor(user_id=user.id, name="rev")
    assert len(model_choices.versions(database, rev, scene.id)) == 1
    (database.home / one.path).unlink()  # who may not choose is told so, and nothing about files
    with pytest.raises(access.PermissionDenied):
        model_choices.choose(database, rev, scene.id, one.id)


def test_pairs_are_the_labeled_holdout_images_that_both_predicted(database: Database) -> None:
    scene = make_scene(database, images=30, holdout_size=4)
    samples.draw_holdout(database, scene.system, scene.id)
    held = [int(item) for item in samples.pool_index(database, scene.id, splits=["holdout"]).ids]
    turn = rounds.begin_round(database, scene.system, scene.id)
    said = {"one": (0, 0, 1, 0), "two": (0, 1, 0)}  # the second knew one image less
    one, two = (
        trained(scene, name, predictions=[(item, place, 0.9) for item, place in zip(held, places, strict=False)])
        for name, places in said.items()
    )
    queries = [NewQuery(sample_id=item, rank=rank, kind="holdout") for rank, item in enumerate(held)]
    rounds.enqueue(database, scene.system, turn.id, NewQueue(queries=queries, strategy="x"))
    assert holdout.pairs(database, scene.ada, scene.id, two.id, one.id) == []
    for query, name in zip(scene.claim(scene.ada, 4), ("cat", "dog", "cat", "cat"), strict=True):
        scene.submit(scene.ada, query, name)
    found = holdout.pairs(database, scene.ada, scene.id, two.id, one.id)
    assert [(item.position, item.new_right, item.old_right) for item in found] == [
        (0, True, True),
        (1, True, False),
        (0, True, False),
    ]


def test_a_version_of_before_choices_were_noted_is_still_in_use(database: Database) -> None:
    scene = make_scene(database)
    one, two = trained(scene, "one"), trained(scene, "two")
    mark = text("UPDATE model_versions SET is_current = :yes WHERE id = :id")
    database.write(lambda session: session.execute(mark, {"yes": True, "id": one.id}))
    listed = model_choices.versions(database, scene.ada, scene.id)
    assert [(item.version.current, item.choice) for item in listed] == [(False, None), (True, None)]
    assert promote(scene, two, one)
