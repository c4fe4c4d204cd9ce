"""Review: what waits and in which order, a decision that wins and stays, images that go back or cannot be used."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from db import annotations, review, rounds, samples
from db import pool as pool_of
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound
from db.records import Round
from db.tables import SampleRow
from tests.db.review_scenes import contested, decide, new_id, queue, rebuilt, set_state, state_of, vote
from tests.db.scenes import Scene, as_gold, make_scene, scalar


def test_what_waits_and_in_which_order(database: Database) -> None:
    scene, pool = contested(database)
    found = review.next_items(database, scene.ada, scene.id)
    assert [(item.sample_id, item.reasons, item.entropy) for item in found] == [
        (pool[0], ("disagreement",), 1.0),
        (pool[2], ("flag",), 0.0),
    ]
    assert [item.answers for item in found] == [2, 2]
    assert not any(item.labeled for item in found)
    assert review.waiting(database, scene.ada, scene.id) == 2
    assert queue(scene, only="flags") == [pool[2]]
    assert queue(scene, only="disagreements") == [pool[0]]
    assert queue(scene, limit=1) == [pool[0]]
    set_state(scene, pool[3], "closed")  # as the end of the round does: nobody else can be asked
    assert queue(scene) == [pool[0], pool[2], pool[3]]
    assert review.next_items(database, scene.ada, scene.id)[2].reasons == ("unsure",)
    assert review.waiting(database, scene.ada, scene.id) == 3
    with pytest.raises(InvalidInput):
        queue(scene, only="everything")


def test_more_votes_on_their_way_are_waited_for(database: Database) -> None:
    scene = make_scene(database, images=6, overlap=3)
    scene.ask(2)
    vote(scene, scene.person("ana"), a="cat", b="cat")
    vote(scene, scene.person("bob"), a="dog", b="cat")
    assert queue(scene) == []
    vote(scene, scene.person("cy"), a="cat", b="dog")
    pool = scene.pool()
    assert len(queue(scene)) == 2  # two to one: labeled by the majority, and worth a look
    assert all(item.labeled and item.entropy == pytest.approx(0.918, abs=1e-3) for item in _items(scene))
    assert len(pool) == 4


def _items(scene: Scene) -> list:
    return review.next_items(scene.database, scene.ada, scene.id)


def test_a_decision_wins_stays_and_can_be_changed(database: Database) -> None:
    scene, pool = contested(database)
    first = decide(scene, pool[0], "owl", note="ears")
    assert first.label == scene.cls("owl")
    assert scene.labels()[pool[0]] == scene.cls("owl")
    assert queue(scene) == [pool[2]]
    decide(scene, pool[0], "dog")
    assert scene.labels()[pool[0]] == scene.cls("dog")
    assert rebuilt(scene)
    history = review.votes_of(database, scene.ada, scene.id, pool[0]).history
    assert [(past.user, past.what, past.class_name, past.note) for past in history] == [
        ("ada", "class", "owl", "ears"),
        ("ada", "class", "dog", ""),
    ]
    origin = "SELECT count(*) FROM labels WHERE origin = 'reviewer'"
    assert scalar(database, origin) == 1


def test_the_same_decision_twice_is_one(database: Database) -> None:
    scene, pool = contested(database)
    decision_id = new_id()
    before = scene.events()
    first = decide(scene, pool[0], "owl", decision_id=decision_id)
    again = decide(scene, pool[0], "owl", decision_id=decision_id.upper())
    assert (first.repeated, again.repeated, first.label) == (False, True, again.label)
    assert scene.events() == before + 1
    for other in ({"item": pool[1], "name": "owl"}, {"item": pool[0], "name": "cat"}, {"item": pool[0], "name": None}):
        with pytest.raises(Conflict):
            decide(scene, **other, decision_id=decision_id)
    with pytest.raises(Conflict):
        decide(scene, pool[0], "owl", decision_id=decision_id, actor=scene.person("bea"))
    with pytest.raises(Conflict):
        review.send_back(database, scene.ada, scene.id, decision_id, pool[0])
    with pytest.raises(InvalidInput):
        decide(scene, pool[0], "owl", decision_id="x")


def test_what_cannot_be_used_has_no_label_and_is_not_asked_again(database: Database) -> None:
    scene, pool = contested(database)
    assert pool[1] in scene.labels()
    assert decide(scene, pool[1], None, note="black").label is None
    assert pool[1] not in scene.labels()
    assert rebuilt(scene)
    undo = "UPDATE annotations SET withdrawn_at = 1 WHERE sample_id = :item"  # as if its annotators were excluded
    database.write(lambda session: session.execute(text(undo), {"item": pool[1]}))
    assert pool[1] not in scene.pool()
    askable = select(SampleRow.id).where(*pool_of.askable(scene.id))
    assert pool[1] not in database.read(lambda session: list(session.scalars(askable)))
    assert pool[1] in samples.pool_index(database, scene.id, labeled=False, set_aside=True).ids
    assert samples.counts(database, scene.id).set_aside >= 1
    decide(scene, pool[1], "cat")
    assert scene.labels()[pool[1]] == scene.cls("cat")
    assert rebuilt(scene)


def test_a_decision_ends_the_asking_and_the_round(database: Database) -> None:
    scene = make_scene(database, images=6, overlap=2)
    turn = scene.ask(2)
    ana, bob = scene.person("ana"), scene.person("bob")
    [_, second] = scene.claim(ana, 2)
    pool = scene.pool()
    scene.submit(ana, second, "flag")
    held = scene.claim(bob, 2)
    assert queue(scene) == [pool[1]]
    decide(scene, pool[1], "cat")
    assert state_of(scene, pool[1]) == [("learn", "closed")]
    assert [query.sample_id for query in scene.claim(bob, 5)] == [pool[0]]  # his claim on the other is released
    decide(scene, pool[0], "dog")
    assert scalar(database, "SELECT count(*) FROM rounds WHERE completed_at IS NOT NULL") == 1
    assert scalar(database, "SELECT count(*) FROM outbox WHERE topic = 'round_complete'") == 1
    assert scalar(database, "SELECT count(*) FROM outbox WHERE topic = 'reviewed'") == 2
    late = scene.submit(bob, held[1], "owl")
    assert scene.labels() == {pool[0]: scene.cls("dog"), pool[1]: scene.cls("cat")}
    assert late.status in ("saved", "draft")
    following = rounds.begin_round(database, scene.system, scene.id)
    assert isinstance(following, Round)
    assert following.number == turn.number + 1
    assert rebuilt(scene)


def test_an_answer_after_the_decision_brings_the_image_back(database: Database) -> None:
    scene, pool = contested(database)
    decide(scene, pool[0], "owl")
    assert queue(scene) == [pool[2]]
    ana = scene.person("ana")
    [answer] = [entry for entry in annotations.recent(database, ana, scene.id) if entry.sample_id == pool[0]]
    receipt = annotations.undo(database, ana, scene.id, new_id(), answer.answer_id)
    if receipt.claimed is not None:
        scene.submit(ana, receipt.claimed, "cat")
        assert queue(scene) == [pool[0], pool[2]]
    assert scene.labels()[pool[0]] == scene.cls("owl")
    assert rebuilt(scene)


def test_votes_are_told_with_names_notes_and_what_the_model_said(database: Database) -> None:
    scene, pool = contested(database)
    predict = "UPDATE queries SET predicted = 2, nearest = 0 WHERE sample_id = :item"
    database.write(lambda session: session.execute(text(predict), {"item": pool[2]}))
    told = review.votes_of(database, scene.ada, scene.id, pool[2])
    assert [(vote.user, vote.outcome, vote.class_name, vote.note) for vote in told.votes] == [
        ("ana", "flag", None, "look"),
        ("bob", "class", "cat", ""),
    ]
    assert (told.predicted, told.nearest) == ("owl", "cat")
    assert told.votes[0].latency_ms == 1000
    assert told.history == []
    with pytest.raises(NotFound):
        review.votes_of(database, scene.ada, scene.id, 10**6)


def test_images_and_classes_of_others_are_refused(database: Database) -> None:
    scene, pool = contested(database)
    other = make_scene(database, images=2, name="other")
    with pytest.raises(NotFound):
        decide(other, pool[0], "cat")
    with pytest.raises(NotFound):
        review.send_back(database, scene.ada, other.id, new_id(), pool[0])
    with pytest.raises(InvalidInput):
        review.decide(database, scene.ada, scene.id, new_id(), pool[0], other.cls("cat"))
    assert review.waiting(database, scene.ada, other.id) == 0
    samples.delete_sample(database, scene.ada, scene.id, pool[0])
    assert queue(scene) == [pool[2]]
    with pytest.raises(NotFound):
        decide(scene, pool[0], "cat")


def test_ties_are_decided_once_and_only_while_they_are_ties(database: Database) -> None:
    scene, pool = contested(database)
    assert review.ties(database, scene.system, scene.id).tolist() == [pool[0]]
    verdicts = {pool[0]: scene.cls("dog"), pool[1]: scene.cls("owl"), pool[5]: scene.cls("owl")}
    why = {pool[0]: {"posterior": 0.97}}
    assert review.decide_ties(database, scene.system, scene.id, verdicts, why) == [pool[0]]
    assert review.decide_ties(database, scene.system, scene.id, verdicts, why) == []
    assert scene.labels()[pool[0]] == scene.cls("dog")
    assert scene.labels()[pool[1]] == scene.cls("cat")
    assert scalar(database, "SELECT count(*) FROM labels WHERE origin = 'consensus'") == 2
    assert rebuilt(scene)
    assert review.ties(database, scene.system, scene.id).tolist() == []
    decide(scene, pool[0], "owl")
    assert scene.labels()[pool[0]] == scene.cls("owl")
    assert rebuilt(scene)


def test_a_reviewed_tie_is_left_alone(database: Database) -> None:
    scene, pool = contested(database)
    decide(scene, pool[0], None)
    assert review.ties(database, scene.system, scene.id).tolist() == []
    assert review.decide_ties(database, scene.system, scene.id, {pool[0]: scene.cls("dog")}, {}) == []
    assert pool[0] not in scene.labels()


def test_a_flag_on_gold_waits_and_other_answers_to_gold_do_not(database: Database) -> None:
    scene = make_scene(database, images=6)
    scene.ask(2)
    pool = scene.pool()
    for query in scene.claim(scene.person("ana"), 2):
        as_gold(scene, query.query_id, 0)
    vote(scene, scene.person("ana"), a="cat", b="flag")
    vote(scene, scene.person("bob"))
    assert queue(scene) == [pool[1]]


def test_an_undo_after_a_review_asks_nobody_again(database: Database) -> None:
    scene, pool = contested(database)
    decide(scene, pool[0], "owl")
    bob = scene.person("bob")
    mine = [answer for answer in annotations.recent(database, bob, scene.id) if answer.sample_id == pool[0]]
    receipt = annotations.undo(database, bob, scene.id, new_id(), mine[0].answer_id)
    assert receipt.claimed is None
    assert ("learn", "closed") in state_of(scene, pool[0])
    assert scene.labels()[pool[0]] == scene.cls("owl")
    assert rebuilt(scene)
