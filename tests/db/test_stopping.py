"""The budget ends rounds, and the facts for the advice are about models of one kind on the same images."""

from __future__ import annotations

import pytest

from db import classes, progress, projects, rounds, samples, stopping
from db.engine import Database
from db.errors import InvalidInput
from db.records import DueRound, Finished, MeasuredPoint, NewQuery, NewQueue, Round
from tests.db.scenes import Scene, make_scene, new_samples, new_shard
from tests.db.test_model_choices import trained


def answer_all(scene: Scene) -> None:
    while queries := scene.claim(scene.ada, 10):
        for query in queries:
            scene.submit(scene.ada, query)


def raise_budget(scene: Scene, budget: int | None) -> None:
    projects.update_project(scene.database, scene.ada, scene.id, label_budget=budget)


def test_with_its_budget_used_no_round_begins_until_it_is_raised(database: Database) -> None:
    scene = make_scene(database, label_budget=4)
    scene.ask(3)
    answer_all(scene)
    assert [item.reason for item in rounds.due(database)] == ["complete"]
    scene.ask(3)  # 3 of 4: one more round begins
    answer_all(scene)
    assert rounds.due(database) == []
    assert rounds.begin_round(database, scene.system, scene.id) == Finished(project_id=scene.id, labels=6, budget=4)
    now = progress.progress(database, scene.ada, scene.id)
    assert now.budget_used
    assert (now.project.state, now.rounds[-1].state) == ("active", "open")  # nothing was changed
    raise_budget(scene, 7)
    assert rounds.due(database) == [DueRound(project_id=scene.id, number=3, reason="complete", attempt=0)]
    assert isinstance(rounds.begin_round(database, scene.system, scene.id), Round)
    raise_budget(scene, 1)
    assert [item.reason for item in rounds.due(database)] == ["unfinished"]  # what was begun goes on
    assert isinstance(rounds.begin_round(database, scene.system, scene.id), Round)
    raise_budget(scene, None)
    assert not progress.progress(database, scene.ada, scene.id).budget_used


def test_a_first_round_needs_budget_too_and_deleted_images_give_theirs_back(database: Database) -> None:
    scene = make_scene(database, images=0, label_budget=2)
    registered = new_samples("k", 2, known="cat")
    samples.register_shard(database, scene.ada, scene.id, new_shard("k"), registered, "use")
    samples.register_shard(database, scene.ada, scene.id, new_shard("u"), new_samples("u", 3), "use")
    assert rounds.due(database) == []
    assert stopping.facts(database, scene.ada, scene.id).labels == 2
    labeled = int(samples.labeled(database, scene.id)[0][0])
    samples.delete_sample(database, scene.ada, scene.id, labeled)
    assert [item.reason for item in rounds.due(database)] == ["first"]


@pytest.mark.parametrize("budget", [0, -1, 1.5, True])
def test_a_budget_is_a_count(database: Database, budget: object) -> None:
    scene = make_scene(database)
    with pytest.raises(InvalidInput, match="label_budget"):
        projects.update_project(database, scene.ada, scene.id, label_budget=budget)


def figures(correct: int, total: int, kappa: float | None = None) -> dict[str, object]:
    found: dict[str, object] = {"validation": {"correct": correct, "total": total}, "classes": [0, 1, 2]}
    return found if kappa is None else {**found, "agreement": {"kappa": kappa}}


def test_only_models_of_one_kind_on_the_same_images_make_a_curve(database: Database) -> None:
    scene = make_scene(database, seed=5)
    none = stopping.facts(database, scene.ada, scene.id)
    assert (none.source, none.points, none.kappas, none.seed) == ("", (), (), 5)
    trained(scene, "other", architecture="lenet5", metrics=figures(1, 50, 0.1))
    trained(scene, "one", labels_used=10, metrics=figures(30, 50, 0.2))
    trained(scene, "fewer images", labels_used=15, metrics=figures(9, 10, 0.7))
    trained(scene, "other classes", labels_used=18, metrics={**figures(40, 50, 0.3), "classes": [0, 1]})
    trained(scene, "two", labels_used=20, metrics={**figures(35, 50, 0.8), "test": {"correct": 80, "total": 90}})
    found = stopping.facts(database, scene.ada, scene.id)
    assert found.source == "validation"  # the test split is for the end
    assert found.points == (MeasuredPoint(10, 30, 50), MeasuredPoint(20, 35, 50))
    assert found.kappas == (0.2, 0.7, 0.8)
    assert found.changed is None
    assert hash(found) == hash(stopping.facts(database, scene.ada, scene.id))


def test_the_holdout_gives_paired_changes_and_follows_merged_classes(database: Database) -> None:
    scene = make_scene(database, images=40, holdout_size=4)
    samples.draw_holdout(database, scene.system, scene.id)
    held = [int(item) for item in samples.pool_index(database, scene.id, splits=["holdout"]).ids]
    turn = rounds.begin_round(database, scene.system, scene.id)
    for number, places in enumerate(((2, 1, 1, 1), (1, 1, 1, 1), (0, 1, 1, 1), (0, 0, 1, 1))):
        said = [(item, place, 0.9) for item, place in zip(held, places, strict=True)]
        trained(scene, f"m{number}", labels_used=10 * number + 1, predictions=said)
    queries = [NewQuery(sample_id=item, rank=rank, kind="holdout") for rank, item in enumerate(held)]
    rounds.enqueue(database, scene.system, turn.id, NewQueue(queries=queries, strategy="x"))
    for query, name in zip(scene.claim(scene.ada, 4), ("cat", "cat", "dog", "cat"), strict=True):
        scene.submit(scene.ada, query, name)
    found = stopping.facts(database, scene.ada, scene.id)
    assert found.source == "holdout"
    assert [point.correct for point in found.points] == [1, 1, 2, 3]
    assert found.changed == (2, 0)
    classes.merge(database, scene.ada, scene.id, scene.cls("owl"), scene.cls("cat"))  # the oldest was right in one
    assert stopping.facts(database, scene.ada, scene.id).changed == (1, 0)
