"""Gold: about one in twenty, unseen, for each annotator alone; its answers are no votes and hold up no round."""

from __future__ import annotations

import itertools
import uuid

import pytest

from db import claims, classes, completion, gold, labels, progress, review, rounds, samples
from db.engine import Database
from db.errors import InvalidInput, NotFound
from db.records import Actor, Round
from db.tables import RoundRow
from tests.db.scenes import Scene, make_scene, new_samples, new_shard, scalar


def scene_with_gold(database: Database, images: int = 80, golden: int = 6, **settings: object) -> Scene:
    """A project whose last images are gold: labeled 'owl' by an import and marked."""
    scene = make_scene(database, images, **settings)
    known = new_samples("golden", golden, known="owl")
    samples.register_shard(database, scene.ada, scene.id, new_shard("golden"), known, "use")
    for sample_id in gold_ids(scene):
        gold.mark(database, scene.ada, scene.id, sample_id, scene.cls("owl"))
    return scene


def gold_ids(scene: Scene) -> list[int]:
    return [row for row, class_id in scene.labels().items() if class_id == scene.cls("owl")]


def work_through(scene: Scene, actor: Actor, name: str = "cat", window: int = 10) -> list[int]:
    """Answer everything there is, a window at a time; returns sample ids in the order seen."""
    seen: list[int] = []
    while window_now := scene.claim(actor, window):
        for query in window_now:
            scene.submit(actor, query, name)
            seen.append(query.sample_id)
    return seen


def kinds(database: Database) -> dict[str, int]:
    return {kind: scalar(database, f"SELECT count(*) FROM queries WHERE kind = '{kind}'") for kind in ("learn", "gold")}


def test_about_one_in_twenty_is_gold_and_looks_like_any_other(database: Database) -> None:
    scene = scene_with_gold(database)
    scene.ask(60)
    seen = work_through(scene, scene.ada)
    golden = [place for place, sample_id in enumerate(seen) if sample_id in gold_ids(scene)]
    assert len(seen) == 60 + len(golden)
    assert 2 <= len(golden) <= 3
    assert all(later - earlier >= 15 for earlier, later in itertools.pairwise(golden))
    assert {query.kind for query in scene.claim(scene.person("bob"), 20)} <= {"learn"}


def test_each_annotator_gets_their_own_share_and_no_image_twice(database: Database) -> None:
    scene = scene_with_gold(database, gold_share=0.2)
    scene.ask(60)
    ada, bob = scene.ada, scene.person("bob")
    seen: dict[str, list[int]] = {"ada": [], "bob": []}
    while any((windows := {actor.name: scene.claim(actor, 5) for actor in (ada, bob)}).values()):
        for actor in (ada, bob):
            for query in windows[actor.name]:
                scene.submit(actor, query)
                seen[actor.name].append(query.sample_id)
    for name, images in seen.items():
        golden = [sample_id for sample_id in images if sample_id in gold_ids(scene)]
        assert 4 <= len(golden) <= 6, name
        assert len(set(golden)) == len(golden), name
    assert kinds(database)["gold"] <= 6


def test_answers_to_gold_are_no_votes(database: Database) -> None:
    scene = scene_with_gold(database, gold_share=0.5)
    scene.ask(10)
    before = {sample_id: scene.labels()[sample_id] for sample_id in gold_ids(scene)}
    assert len(set(work_through(scene, scene.ada, "dog")) & set(before)) >= 3
    assert {sample_id: scene.labels()[sample_id] for sample_id in before} == before
    assert labels.rebuild(database) == scene.labels()
    assert (
        scalar(database, "SELECT count(*) FROM queries WHERE kind = 'gold' AND expected = 2 AND state = 'closed'") >= 3
    )


def test_unanswered_gold_keeps_no_round_open(database: Database) -> None:
    scene = scene_with_gold(database, gold_share=0.5)
    turn = scene.ask(4)
    for query in scene.claim(scene.ada, 10):
        if query.sample_id not in gold_ids(scene):
            scene.submit(scene.ada, query)
    of_gold = "FROM claims c JOIN queries q ON q.id = c.query_id WHERE q.kind = 'gold'"
    held = scalar(database, f"SELECT count(*) {of_gold} AND c.state = 'leased'")
    assert held >= 1
    following = rounds.begin_round(database, scene.system, scene.id)
    assert isinstance(following, Round)
    assert following.number == turn.number + 1


def test_skipped_gold_is_offered_to_nobody_else_by_accident(database: Database) -> None:
    scene = scene_with_gold(database, gold_share=0.5)
    scene.ask(4)
    mine = [query for query in scene.claim(scene.ada, 10) if query.sample_id in gold_ids(scene)]
    for query in mine:
        scene.submit(scene.ada, query, "skip")
    bob = scene.person("bob")
    assert claims.waiting(database, bob, scene.id).open == 0
    assert scene.claim(bob, 10) == []


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_without_gold_or_share_nothing_is_mixed_in(database: Database, share: float) -> None:
    scene = make_scene(database, gold_share=share) if share else scene_with_gold(database, gold_share=0.0)
    scene.ask(25)
    assert len(work_through(scene, scene.ada)) == 25
    assert kinds(database) == {"learn": 25, "gold": 0}


def test_marking_and_retiring(database: Database) -> None:
    scene = make_scene(database)
    first, second = scene.pool()[:2]
    marked = gold.mark(database, scene.ada, scene.id, first, scene.cls("cat"))
    assert gold.mark(database, scene.ada, scene.id, first, scene.cls("cat")) == marked
    changed = gold.mark(database, scene.ada, scene.id, first, scene.cls("dog"))
    assert [entry.class_id for entry in gold.listed(database, scene.ada, scene.id)] == [scene.cls("dog")]
    assert changed.id != marked.id
    gold.retire(database, scene.ada, scene.id, first)
    assert gold.listed(database, scene.ada, scene.id) == []
    with pytest.raises(NotFound, match="expected a gold image"):
        gold.retire(database, scene.ada, scene.id, second)
    other = make_scene(database, name="other")
    with pytest.raises(NotFound, match="expected a sample of this project"):
        gold.mark(database, scene.ada, other.id, first, other.cls("cat"))
    with pytest.raises(InvalidInput, match="expected a class of this project"):
        gold.mark(database, scene.ada, scene.id, first, other.cls("cat"))


def test_the_progress_page_counts_no_gold_as_waiting(database: Database) -> None:
    scene = scene_with_gold(database, gold_share=0.5)
    scene.ask(4)
    for query in scene.claim(scene.ada, 10):
        claims.release(database, scene.ada, scene.id, [query.query_id])
    assert progress.progress(database, scene.ada, scene.id).waiting == 4


def test_gold_shows_a_guess_where_others_do(database: Database) -> None:
    scene = scene_with_gold(database, gold_share=0.5, show_predictions=True)
    scene.ask(4)
    change = "UPDATE queries SET predicted = 1, sample_id = (SELECT min(sample_id) FROM gold) WHERE id = 4"
    database.write(lambda session: session.connection().exec_driver_sql(change))
    shown = {query.sample_id: query.predicted for query in scene.claim(scene.ada, 10)}
    assert shown[min(gold_ids(scene))] == 1


def test_a_reviewer_who_says_otherwise_retires_the_check(database: Database) -> None:
    scene = scene_with_gold(database, golden=2)
    kept, changed = sorted(gold_ids(scene))
    for sample_id, name in ((kept, "owl"), (changed, "dog")):
        review.decide(database, scene.ada, scene.id, str(uuid.uuid4()), sample_id, scene.cls(name))
    assert [entry.sample_id for entry in gold.listed(database, scene.ada, scene.id)] == [kept]


def test_answers_to_gold_bring_nothing_back_to_review(database: Database) -> None:
    scene = make_scene(database, overlap=2, gold_share=1.0)
    scene.ask(1)
    for name, choice in (("ann", "cat"), ("bob", "dog")):
        person = scene.person(name)
        query = scene.claim(person)[0]
        scene.submit(person, query, choice)
    review.decide(database, scene.ada, scene.id, str(uuid.uuid4()), query.sample_id, scene.cls("cat"))
    gold.mark(database, scene.ada, scene.id, query.sample_id, scene.cls("cat"))
    assert isinstance(rounds.begin_round(database, scene.system, scene.id), Round)
    scene.ask(2)
    asked = [entry for entry in scene.claim(scene.person("eve"), 10) if entry.sample_id == query.sample_id]
    assert len(asked) == 1
    scene.submit(scene.person("eve"), asked[0], "owl")
    assert review.waiting(database, scene.ada, scene.id) == 0


def with_answered_gold(database: Database) -> tuple[Scene, int]:
    """A gold image, 'owl' by an import, that eve took for a dog."""
    scene = scene_with_gold(database, golden=1, gold_share=1.0)
    [golden] = gold_ids(scene)
    scene.ask(2)
    eve = scene.person("eve")
    for query in scene.claim(eve, 5):
        if query.sample_id == golden:
            scene.submit(eve, query, "dog")
        else:
            claims.release(database, eve, scene.id, [query.query_id])
    assert scalar(database, f"SELECT count(*) FROM annotations WHERE sample_id = {golden}") == 1
    return scene, golden


def test_who_met_an_image_as_gold_may_be_asked_about_it_after_all(database: Database) -> None:
    scene, golden = with_answered_gold(database)
    classes.remove(database, scene.ada, scene.id, scene.cls("owl"), ask_again=True)
    assert golden in scene.pool()
    assert golden not in samples.pool_index(database, scene.id, labeled=True).ids
    query_id = scalar(database, "SELECT min(id) FROM queries WHERE kind = 'learn'")
    instead = f"UPDATE queries SET sample_id = {golden} WHERE id = {query_id}"  # as if a round had chosen it
    database.write(lambda session: session.connection().exec_driver_sql(instead))
    eve = scene.person("eve")
    mine = scene.claim(eve, 5)
    assert golden in {query.sample_id for query in mine}
    for query in mine:
        if query.sample_id != golden:
            scene.submit(eve, query, "skip")
    turn = database.read(lambda session: completion.is_complete(session, session.get_one(RoundRow, 1)))
    assert not turn  # nobody has answered it for a label yet
    [asked] = [query for query in scene.claim(eve, 5) if query.sample_id == golden]
    assert scene.submit(eve, asked, "cat").round_complete
    assert scene.labels()[golden] == scene.cls("cat")


def test_an_image_that_gold_alone_showed_is_not_set_aside(database: Database) -> None:
    scene, _ = with_answered_gold(database)
    classes.remove(database, scene.ada, scene.id, scene.cls("owl"), ask_again=True)
    assert samples.counts(database, scene.id).set_aside == 0
