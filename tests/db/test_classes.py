"""Classes: positions are for ever, merges and removals leave labels that the events alone would give."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import select, text, update

from db import annotations, classes, history, jobs, labels, model_versions, projects, rounds, samples
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound, StoreError
from db.records import ClassUsage, NewModelVersion, Round
from db.tables import AnnotationRow, GoldRow, JobRow, QueryRow, SampleRow
from tests.db.scenes import Scene, make_scene, new_file, new_samples, new_shard, scalar


def names(scene: Scene) -> tuple[str, ...]:
    return projects.get_project(scene.database, scene.ada, scene.id).class_names


def answered(scene: Scene, votes: dict[str, list[str]]) -> list[int]:
    """Ask three images with as many slots as there are voters; each person votes in order. Returns the samples."""
    turn = scene.ask(len(next(iter(votes.values()))), slots=len(votes))
    assert isinstance(turn, Round)
    sample_ids: list[int] = []
    for person, given in votes.items():
        actor = scene.person(person)
        held = scene.claim(actor, len(given))
        sample_ids = [query.sample_id for query in held]
        for query, name in zip(held, given, strict=True):
            scene.submit(actor, query, name)
    return sample_ids


def agreeing(scene: Scene) -> dict[int, int]:
    """The labels, after checking that the events alone give the same."""
    found = scene.labels()
    assert labels.rebuild(scene.database) == found
    return found


def test_a_new_class_gets_a_position_and_a_key_of_its_own(database: Database) -> None:
    scene = make_scene(database, images=0)
    made = classes.add(database, scene.ada, scene.id, "<b>elk</b>")
    assert (made.name, made.position, made.key) == ("<b>elk</b>", 3, "4")
    classes.remove(database, scene.ada, scene.id, made.id)
    again = classes.add(database, scene.ada, scene.id, "<b>elk</b>")
    assert (again.position, again.key) == (4, "4")
    project = projects.get_project(database, scene.ada, scene.id)
    assert project.outputs == 5
    assert project.class_names == ("cat", "dog", "owl", "<b>elk</b>")
    assert project.live_position(3) is None
    with pytest.raises(Conflict, match="class already"):
        classes.add(database, scene.ada, scene.id, "cat")
    with pytest.raises(InvalidInput):
        classes.add(database, scene.ada, scene.id, "two\nlines")


def test_a_name_and_a_key_change_and_labels_stay(database: Database) -> None:
    scene = make_scene(database)
    [item] = answered(scene, {"bob": ["cat"]})
    classes.rename(database, scene.ada, scene.id, scene.cls("cat"), "kitten")
    assert classes.set_key(database, scene.ada, scene.id, scene.cls("cat"), "K").key == "k"
    assert labels.counts(database, scene.ada, scene.id)["kitten"] == 1
    assert agreeing(scene) == {item: scene.cls("cat")}
    with pytest.raises(Conflict):
        classes.rename(database, scene.ada, scene.id, scene.cls("cat"), "dog")
    with pytest.raises(Conflict, match="picks"):
        classes.set_key(database, scene.ada, scene.id, scene.cls("dog"), "k")
    for key in ("", "ab", " ", "\x00"):
        with pytest.raises(InvalidInput):
            classes.set_key(database, scene.ada, scene.id, scene.cls("dog"), key)
    other = make_scene(database, images=0, name="other")
    with pytest.raises(NotFound):
        classes.rename(database, scene.ada, other.id, scene.cls("cat"), "x")


def test_a_merge_moves_labels_gold_known_classes_and_predictions(database: Database) -> None:
    scene = make_scene(database)
    samples.register_shard(
        database, scene.ada, scene.id, new_shard("v"), new_samples("v", 2, split="test", known="cat"), "use"
    )
    items = answered(scene, {"bob": ["cat", "dog", "owl"]})
    gold = {"project_id": scene.id, "sample_id": items[0], "class_id": scene.cls("cat"), "created_by": 1}
    database.write(lambda session: session.add(GoldRow(**gold, created_at=1)))
    database.write(lambda session: session.execute(update(QueryRow).values(predicted=0, nearest=1)))
    assert classes.usage(database, scene.ada, scene.id, scene.cls("cat")) == ClassUsage(
        labels=1, answers=1, gold=1, known=2
    )
    project = classes.merge(database, scene.ada, scene.id, scene.cls("cat"), scene.cls("dog"))
    assert agreeing(scene) == {items[0]: scene.cls("dog"), items[1]: scene.cls("dog"), items[2]: scene.cls("owl")}
    assert (project.class_names, project.outputs, project.output_names) == (("dog", "owl"), 3, ("dog", "dog", "owl"))
    assert [project.live_position(place) for place in range(4)] == [1, 1, 2, None]
    used = classes.usages(database, scene.ada, scene.id)
    assert used[scene.cls("dog")] == ClassUsage(labels=2, answers=2, gold=1, known=2)
    places = database.read(lambda session: session.execute(select(QueryRow.predicted, QueryRow.nearest)).all())
    assert {tuple(row) for row in places} == {(1, None)}
    assert samples.split_truth(database, scene.id, "test")[1].tolist() == [1, 1]
    with pytest.raises(InvalidInput, match="at least 2"):
        classes.merge(database, scene.ada, scene.id, scene.cls("dog"), scene.cls("owl"))
    bob = scene.person("bob")
    scene.ask(1)
    [query] = scene.claim(bob, 1)
    with pytest.raises(InvalidInput, match="class of this project"):
        scene.submit(bob, query, "cat")


def test_disagreement_between_merged_classes_ends(database: Database) -> None:
    scene = make_scene(database)
    elk = classes.add(database, scene.ada, scene.id, "elk")
    people = ("bob", "eve", "joe")
    items = answered(
        scene, dict(zip(people, (["cat", "cat", "owl"], ["dog", "owl", "owl"], ["owl", "owl", "cat"]), strict=True))
    )
    assert agreeing(scene) == {items[1]: scene.cls("owl"), items[2]: scene.cls("owl")}
    classes.merge(database, scene.ada, scene.id, scene.cls("cat"), scene.cls("dog"))
    assert agreeing(scene) == {items[0]: scene.cls("dog"), items[1]: scene.cls("owl"), items[2]: scene.cls("owl")}
    classes.merge(database, scene.ada, scene.id, scene.cls("dog"), elk.id)
    assert agreeing(scene)[items[0]] == elk.id
    assert projects.get_project(database, scene.ada, scene.id).live_position(0) == elk.position
    with pytest.raises(NotFound):
        classes.merge(database, scene.ada, scene.id, elk.id, scene.cls("cat"))


def test_merging_the_others_can_make_a_majority_a_tie(database: Database) -> None:
    scene = make_scene(database)
    votes = {"a": ["owl"], "b": ["owl"], "c": ["cat"], "d": ["dog"]}
    [item] = answered(scene, votes)
    assert agreeing(scene) == {item: scene.cls("owl")}
    classes.merge(database, scene.ada, scene.id, scene.cls("cat"), scene.cls("dog"))
    assert agreeing(scene) == {}


@pytest.mark.parametrize("seed", range(3))
def test_any_merges_leave_what_the_events_give(database: Database, seed: int) -> None:
    scene, dice = make_scene(database), random.Random(seed)
    more = [classes.add(database, scene.ada, scene.id, name) for name in ("elk", "fox")]
    every = [scene.cls(name) for name in ("cat", "dog", "owl")] + [entry.id for entry in more]
    scene.ask(12, slots=3)
    for name in ("a", "b", "c"):
        actor = scene.person(name)
        for query in scene.claim(actor, 12):
            answer = scene.answer(query, "cat", class_id=dice.choice(every))
            annotations.submit(database, actor, scene.id, answer)
    agreeing(scene)
    for _ in range(3):
        old, new = dice.sample([entry.id for entry in projects.get_project(database, scene.ada, scene.id).classes], 2)
        classes.merge(database, scene.ada, scene.id, old, new)
        agreeing(scene)


def test_removing_a_used_class_asks_what_becomes_of_it(database: Database) -> None:
    scene = make_scene(database)
    samples.register_shard(database, scene.ada, scene.id, new_shard("k"), new_samples("k", 2, known="cat"), "use")
    items = answered(scene, {"bob": ["cat", "dog", "cat"]})
    with pytest.raises(Conflict, match=r"4 labels, 2 answers, 2 images that came with it; merge it into another"):
        classes.remove(database, scene.ada, scene.id, scene.cls("cat"))
    with pytest.raises(InvalidInput, match="one way"):
        classes.remove(database, scene.ada, scene.id, scene.cls("cat"), merge_into=1, ask_again=True)
    before = scene.events()
    classes.remove(database, scene.ada, scene.id, scene.cls("cat"), ask_again=True)
    assert agreeing(scene) == {items[1]: scene.cls("dog")}
    assert scene.events() == before + 2  # nothing is taken out of history
    assert names(scene) == ("dog", "owl")
    assert (
        scalar(database, "SELECT count(*) FROM annotation_events WHERE kind = 'withdraw' AND target_id IS NOT NULL")
        == 2
    )
    again = scene.claim(scene.person("bob"), 10)
    assert {items[0], items[2]} <= {query.sample_id for query in again}
    scene.submit(scene.person("bob"), next(query for query in again if query.sample_id == items[0]), "owl")
    assert agreeing(scene)[items[0]] == scene.cls("owl")
    assert len(scene.pool()) == 30 + 2 - 2  # imported ones wait for people again


def test_removing_a_class_with_another_to_take_its_labels_is_a_merge(database: Database) -> None:
    scene = make_scene(database)
    [item] = answered(scene, {"bob": ["cat"]})
    classes.remove(database, scene.ada, scene.id, scene.cls("cat"), merge_into=scene.cls("owl"))
    assert agreeing(scene) == {item: scene.cls("owl")}


def test_what_nobody_is_left_to_vote_on_is_decided_by_the_rest(database: Database) -> None:
    scene = make_scene(database, overlap=2)
    for name in ("ada", "bob"):
        scene.person(name)
    [item] = answered(scene, {"bob": ["cat"], "ada": ["dog"]})
    assert rounds.begin_round(database, scene.system, scene.id)
    classes.remove(database, scene.ada, scene.id, scene.cls("cat"), ask_again=True)
    agreeing(scene)
    bob = scene.person("bob")
    again = scene.claim(bob, 1)
    assert [query.sample_id for query in again] == [item]  # bob's answer went with the class: he may give another
    scene.submit(bob, again[0], "dog")
    assert agreeing(scene) == {item: scene.cls("dog")}


def test_while_work_is_under_way_classes_keep_their_meaning(database: Database) -> None:
    scene = make_scene(database)
    job = jobs.begin(database, scene.system, scene.id, "round", "host")
    assert job is not None
    for change in (
        lambda: classes.merge(database, scene.ada, scene.id, scene.cls("cat"), scene.cls("dog")),
        lambda: classes.remove(database, scene.ada, scene.id, scene.cls("cat")),
    ):
        with pytest.raises(Conflict, match="a running round"):
            change()
    classes.add(database, scene.ada, scene.id, "elk")  # takes nothing from anybody
    classes.rename(database, scene.ada, scene.id, scene.cls("cat"), "kitten")
    silent = update(JobRow).values(heartbeat_at=JobRow.heartbeat_at - 61_000)
    database.write(lambda session: session.execute(silent))  # a killed one keeps nobody waiting for ever
    classes.remove(database, scene.ada, scene.id, scene.cls("cat"))
    assert names(scene) == ("dog", "owl", "elk")


def test_a_model_of_before_the_merge_is_judged_in_todays_terms(database: Database) -> None:
    scene = make_scene(database, images=10, holdout_size=2)
    assert samples.draw_holdout(database, scene.ada, scene.id) == 2
    held = [int(item) for item in samples.pool_index(database, scene.id, splits=("holdout",)).ids]
    turn = scene.ask(1)
    file = new_file("model")
    version = NewModelVersion(
        file=file, architecture="a", recipe="r", strategy="s", seed=0, labels_used=0, round_id=turn.id,
        predictions=[(held[0], 0, 0.9), (held[1], 2, 0.9)],
    )  # fmt: skip
    model_versions.record(database, scene.ada, scene.id, version)
    hashes = database.read(
        lambda session: session.scalars(select(SampleRow.sha256).where(SampleRow.id.in_(held))).all()
    )
    samples.label_known(database, scene.ada, scene.id, [(sha, "dog") for sha in hashes])
    assert history.history(database, scene.ada, scene.id)[0].holdout.correct == 0
    classes.merge(database, scene.ada, scene.id, scene.cls("cat"), scene.cls("dog"))
    assert history.history(database, scene.ada, scene.id)[0].holdout.correct == 1


def test_an_answer_under_way_and_a_merge_never_leave_a_label_of_a_retired_class(postgresql_place: object) -> None:
    """The answer has made its label and is not committed yet: the merge must wait for it, else it cannot see it."""
    import threading

    with postgresql_place.open() as database:
        scene = make_scene(database)
        scene.ask(1)
        bob = scene.person("bob")
        [query] = scene.claim(bob, 1)
        checked, go = threading.Event(), threading.Event()
        real = annotations.answering.finish

        def slow(*arguments: object, **named: object) -> object:
            checked.set()
            go.wait(1.0)
            return real(*arguments, **named)

        annotations.answering.finish = slow
        try:
            errors: list[BaseException] = []

            def answer() -> None:
                try:
                    scene.submit(bob, query, "cat")
                except StoreError as error:
                    errors.append(error)

            thread = threading.Thread(target=answer)
            thread.start()
            checked.wait(10)
            classes.merge(database, scene.ada, scene.id, scene.cls("cat"), scene.cls("dog"))
            go.set()
            thread.join()
        finally:
            annotations.answering.finish = real
        assert errors == []
        assert agreeing(scene) == {query.sample_id: scene.cls("dog")}
        retired = select(AnnotationRow.id).where(AnnotationRow.class_id == scene.cls("cat"))
        assert len(database.read(lambda session: session.scalars(retired).all())) == 1  # history keeps what was said
        assert database.read(lambda session: session.execute(text("SELECT count(*) FROM labels")).scalar_one()) == 1
