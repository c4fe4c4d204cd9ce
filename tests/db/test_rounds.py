"""Rounds: what is due, running any step twice, withdrawing the reserve, the holdout apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import select

from db import copies, export, labels, model_versions, progress, projects, rounds, samples
from db.engine import Database
from db.errors import Conflict, InvalidInput
from db.records import DueRound, Finished, Holdout, NewModelVersion, NewQuery, NewQueue, Round
from db.tables import QueryRow
from pipeline.statistics import classified
from tests.db.scenes import Scene, make_scene, messages, new_file, new_samples, new_shard, scalar


def begin(scene: Scene) -> Round:
    turn = rounds.begin_round(scene.database, scene.system, scene.id)
    assert isinstance(turn, Round)
    return turn


def answer_all(scene: Scene) -> None:
    for query in scene.claim(scene.ada, 100):
        scene.submit(scene.ada, query)


def test_what_is_due_from_the_first_round_to_the_last(database: Database) -> None:
    scene = make_scene(database, images=0)
    assert rounds.due(database) == []
    with pytest.raises(Conflict, match="borderline ingest"):
        begin(scene)
    samples.register_shard(database, scene.ada, scene.id, new_shard("a"), new_samples("a", 4), "use")
    assert rounds.due(database) == [DueRound(project_id=scene.id, number=1, reason="first", attempt=0)]
    turn = begin(scene)
    assert rounds.due(database) == [DueRound(project_id=scene.id, number=1, reason="unfinished", attempt=1)]
    assert begin(scene).id == turn.id
    assert rounds.due(database)[0].attempt == 2
    scene.ask(2)
    assert rounds.due(database) == []
    assert begin(scene).state == "open"
    answer_all(scene)
    assert rounds.due(database) == [DueRound(project_id=scene.id, number=2, reason="complete", attempt=0)]
    assert scene.ask(2).labels_before == 2
    answer_all(scene)
    assert rounds.begin_round(database, scene.system, scene.id) == Finished(project_id=scene.id, labels=4)
    assert rounds.due(database) == []
    samples.register_shard(database, scene.ada, scene.id, new_shard("b"), new_samples("b", 1), "use")
    assert rounds.due(database) == [DueRound(project_id=scene.id, number=3, reason="complete", attempt=0)]


def test_paused_and_deleted_projects_are_not_due(database: Database) -> None:
    scene = make_scene(database)
    projects.set_paused(database, scene.ada, scene.id, True)
    assert rounds.due(database) == []
    projects.set_paused(database, scene.ada, scene.id, False)
    assert len(rounds.due(database)) == 1
    projects.delete_project(database, scene.ada, scene.id)
    assert rounds.due(database) == []


def test_enqueue_twice_adds_nothing(database: Database) -> None:
    scene = make_scene(database)
    turn = scene.ask(3)
    queue = NewQueue(queries=[NewQuery(sample_id=item, rank=0) for item in scene.pool()[10:]], strategy="other")
    assert rounds.enqueue(database, scene.system, turn.id, queue) == turn
    assert scalar(database, "SELECT count(*) FROM queries") == 3
    assert [message.topic for message in messages(database)] == ["round_open"]


def test_the_old_reserve_is_withdrawn_and_what_somebody_holds_moves_into_the_round(database: Database) -> None:
    scene = make_scene(database, images=6)
    scene.ask(1, reserve=3)
    scene.submit(scene.ada, scene.claim(scene.ada)[0])
    held = scene.claim(scene.person("bob"))[0]
    turn = scene.ask(3)
    assert turn.k == 3
    states = "SELECT count(*) FROM queries WHERE round_id < {0} AND state = '{1}'"
    assert scalar(database, states.format(turn.id, "withdrawn")) == 2
    assert scalar(database, states.format(turn.id, "open")) == 0
    assert scalar(database, f"SELECT round_id FROM queries WHERE id = {held.query_id}") == turn.id
    assert scalar(database, f"SELECT count(*) FROM queries WHERE round_id = {turn.id}") == 3
    assert held.sample_id not in [query.sample_id for query in scene.claim(scene.ada, 9)]


def test_images_in_other_hands_are_waited_for(database: Database) -> None:
    scene = make_scene(database, images=3)
    scene.ask(1, reserve=2)
    bob = scene.person("bob")
    scene.submit(scene.ada, scene.claim(scene.ada)[0])
    held = scene.claim(bob, 2)
    assert rounds.due(database) == []
    assert begin(scene).number == 1
    for query in held:
        scene.submit(bob, query)
    assert not rounds.begin_round(database, scene.system, scene.id)


@pytest.mark.parametrize(
    "what", ["repeat", "kind", "nan", "other project", "test split", "not in the holdout", "diagnostics"]
)
def test_enqueue_refuses(database: Database, what: str) -> None:
    scene = make_scene(database)
    other = make_scene(database, name="other")
    samples.register_shard(database, scene.ada, scene.id, new_shard("t"), new_samples("t", 1, split="test"), "use")
    tested = int(samples.pool_index(database, scene.id, splits=["test"]).ids[0])
    item, stranger = scene.pool()[0], other.pool()[0]
    queries = {
        "repeat": [NewQuery(sample_id=item, rank=0), NewQuery(sample_id=item, rank=1)],
        "kind": [NewQuery(sample_id=item, rank=0, kind="guess")],
        "nan": [NewQuery(sample_id=item, rank=0, score=float("nan"))],
        "other project": [NewQuery(sample_id=stranger, rank=0)],
        "test split": [NewQuery(sample_id=tested, rank=0)],
        "not in the holdout": [NewQuery(sample_id=item, rank=0, kind="holdout")],
        "diagnostics": [NewQuery(sample_id=item, rank=0)],
    }[what]
    diagnostics = {"loss": float("nan")} if what == "diagnostics" else {}
    turn = begin(scene)
    with pytest.raises(InvalidInput, match="expected"):
        rounds.enqueue(
            database, scene.system, turn.id, NewQueue(queries=queries, strategy="x", diagnostics=diagnostics)
        )
    assert rounds.get_round(database, turn.id).state == "preparing"


def test_numpy_numbers_are_stored_as_numbers(database: Database) -> None:
    scene = make_scene(database)
    turn = begin(scene)
    query = NewQuery(
        sample_id=np.int64(scene.pool()[0]),
        rank=np.int64(0),
        score=np.float32(1.5),
        predicted=np.int64(1),
        nearest=np.int64(-1),
    )
    queue = NewQueue(queries=[query], strategy="x", diagnostics={"slack": np.float32(0.75), "ids": np.arange(2)})
    rounds.enqueue(database, scene.system, turn.id, queue)
    assert scalar(database, "SELECT count(*) FROM queries WHERE score = 1.5 AND predicted = 1 AND nearest IS NULL") == 1
    assert rounds.history(database, scene.ada, scene.id)[0].diagnostics == {"slack": 0.75, "ids": [0, 1]}


def test_infinite_scores_and_odd_texts_are_stored(database: Database) -> None:
    scene = make_scene(database)
    turn = begin(scene)
    details = {"place": [1, 2], "text": "a 'b' \"c\" <d> \\ ü"}
    query = NewQuery(
        sample_id=scene.pool()[0], rank=0, score=float("inf"), details=details, kind="confirm", group="g: 'x'"
    )
    rounds.enqueue(database, scene.system, turn.id, NewQueue(queries=[query], strategy="x"))
    row = database.read(
        lambda session: session.execute(select(QueryRow.score, QueryRow.details, QueryRow.group_key)).one()
    )
    assert tuple(row) == (float("inf"), details, "g: 'x'")


def test_the_holdout_is_drawn_once_asked_and_never_learned_from(database: Database) -> None:
    scene = make_scene(database, images=30, holdout_size=4)
    assert samples.draw_holdout(database, scene.system, scene.id) == 4
    samples.register_shard(database, scene.ada, scene.id, new_shard("b"), new_samples("b", 30), "use")
    assert samples.draw_holdout(database, scene.system, scene.id) == 4
    held = samples.pool_index(database, scene.id, splits=["holdout"]).ids
    assert not set(map(int, held)) & set(scene.pool())
    turn = begin(scene)
    queries = [NewQuery(sample_id=int(held[0]), rank=0, kind="holdout"), NewQuery(sample_id=scene.pool()[0], rank=1)]
    rounds.enqueue(database, scene.system, turn.id, NewQueue(queries=queries, strategy="x"))
    first, second = scene.claim(scene.ada, 2)
    assert (first.kind, second.kind) == ("holdout", "learn")
    assert not scene.submit(scene.ada, first, "owl").round_complete
    assert scene.submit(scene.ada, second, "cat").round_complete
    assert [list(map(int, part)) for part in samples.labeled(database, scene.id)] == [[second.sample_id], [0]]
    assert [list(map(int, part)) for part in samples.labeled_holdout(database, scene.id)] == [[first.sample_id], [2]]
    counts = samples.counts(database, scene.id)
    assert (counts.labels, counts.labeled_pool, counts.labeled_holdout) == (2, 1, 1)


def test_the_holdout_is_a_fifth_at_most_and_none_beside_a_labeled_test_split(database: Database) -> None:
    small = make_scene(database, images=11, holdout_size=100)
    assert samples.draw_holdout(database, small.system, small.id) == 2
    tested = make_scene(database, images=50, name="tested", holdout_size=10)
    rows = new_samples("t", 2, split="test", known="cat")
    samples.register_shard(database, tested.ada, tested.id, new_shard("t"), rows, "ignore")
    assert samples.draw_holdout(database, tested.system, tested.id) == 0


def new_model(round_id: int | None = None, name: str = "m", **more: object) -> NewModelVersion:
    fields = {"architecture": "convnet", "recipe": "r", "strategy": "s", "seed": 0, "labels_used": 1}
    return NewModelVersion(file=new_file(f"{name}.safetensors"), round_id=round_id, **{**fields, **more})


def test_models_of_rounds(database: Database) -> None:
    scene = make_scene(database)
    turn = begin(scene)
    assert model_versions.for_round(database, turn.id) is None
    one = model_versions.record(
        database, scene.system, scene.id, new_model(turn.id, metrics={"test_accuracy": np.float64(0.5)})
    )
    assert model_versions.record(database, scene.system, scene.id, new_model(turn.id)) == one
    assert model_versions.for_round(database, turn.id) == one
    assert model_versions.current(database, scene.id) is None
    two = model_versions.record(database, scene.system, scene.id, new_model(name="n"))
    assert [entry.number for entry in model_versions.list_versions(database, scene.ada, scene.id)] == [2, 1]
    rounds.set_model(database, scene.system, turn.id, two.id)
    assert rounds.get_round(database, turn.id).model_version_id == two.id
    changed = replace(new_model(), file=replace(new_file("m.safetensors"), sha256="0" * 64))
    with pytest.raises(Conflict, match="unchanged"):
        model_versions.record(database, scene.system, scene.id, changed)


def test_holdout_accuracy_is_computed_from_todays_labels(database: Database) -> None:
    scene = make_scene(database, images=30, holdout_size=4)
    samples.draw_holdout(database, scene.system, scene.id)
    held = [int(item) for item in samples.pool_index(database, scene.id, splits=["holdout"]).ids]
    turn = begin(scene)
    said = list(zip(held, (0, 0, 1, 0), (0.9, 0.7, 0.55, 0.9), strict=True))
    model_versions.record(database, scene.system, scene.id, new_model(turn.id, predictions=said))
    queries = [NewQuery(sample_id=item, rank=rank, kind="holdout") for rank, item in enumerate(held)]
    rounds.enqueue(database, scene.system, turn.id, NewQueue(queries=queries, strategy="x"))
    assert rounds.history(database, scene.ada, scene.id)[0].holdout is None
    receipts = [
        scene.submit(scene.ada, query, name)
        for query, name in zip(scene.claim(scene.ada, 3), ("cat", "dog", "cat"), strict=True)
    ]
    found = rounds.history(database, scene.ada, scene.id)[0]
    labels = {"cat": 0, "dog": 1}
    answers = [labels[name] for name in ("cat", "dog", "cat")]
    of_statistics = classified(answers, [0, 0, 1], [0.9, 0.7, 0.55], classes=2)
    assert found.holdout == Holdout(
        correct=1, total=3, class_recall={0: 0.5, 1: 0.0}, calibration_error=pytest.approx(1.35 / 3)
    )
    assert found.measured is not None
    assert found.measured.source == "holdout"
    assert found.measured.balanced_accuracy == of_statistics.balanced_accuracy == 0.25
    assert found.measured.calibration_error == pytest.approx(of_statistics.calibration_error)
    assert not receipts[-1].round_complete
    shown = progress.progress(database, scene.ada, scene.id)
    assert (shown.waiting, shown.counts.open, shown.rounds[0].labels_gained, shown.has_test) == (1, 1, 0, False)


def test_copies_train_only_with_their_originals_label(database: Database) -> None:
    scene = make_scene(database)
    for number in range(5):
        turn = begin(scene)
        chosen = scene.pool()[:2]
        rows = [(item, place, 0.1) for place, item in enumerate(chosen)]
        interrupted = [(item, 1 - place, 0.2) for item, place, _ in rows]  # an attempt with another ranking
        assert copies.record_copies(database, scene.system, turn.id, new_file(f"lost{number}.npy"), interrupted) == 2
        assert copies.record_copies(database, scene.system, turn.id, new_file(f"{number}.npy"), rows) == 2
        queries = [NewQuery(sample_id=item, rank=place, copy_row=place) for place, item in enumerate(chosen)]
        rounds.enqueue(database, scene.system, turn.id, NewQueue(queries=queries, strategy="dfal"))
        assert copies.record_copies(database, scene.system, turn.id, new_file("late.npy"), rows[:1]) == 2
        one, two = scene.claim(scene.ada, 2)
        scene.submit(scene.ada, one, "dog")
        scene.submit(scene.ada, two, "skip")
    found = copies.copies_for_training(database, scene.id, last_rounds=3)
    assert [(entry.path, entry.row, entry.position) for entry in found] == [
        (f"{number}.npy", 0, 1) for number in (2, 3, 4)
    ]


def test_exports_and_counts(database: Database) -> None:
    scene = make_scene(database)
    samples.register_shard(database, scene.ada, scene.id, new_shard("k"), new_samples("k", 2, known="owl"), "use")
    scene.ask(1)
    query = scene.claim(scene.ada)[0]
    scene.submit(scene.ada, query, "cat")
    assert labels.counts(database, scene.ada, scene.id) == {"cat": 1, "dog": 0, "owl": 2}
    rows = list(export.labels(database, scene.ada, scene.id))
    assert [(row.class_name, row.origin, row.round_number) for row in rows] == [
        ("cat", "consensus", 1),
        ("owl", "imported", None),
        ("owl", "imported", None),
    ]
    samples.delete_sample(database, scene.ada, scene.id, query.sample_id)
    assert len(list(export.labels(database, scene.ada, scene.id))) == 2
    assert labels.counts(database, scene.ada, scene.id)["cat"] == 0
    assert query.sample_id in scene.labels()
