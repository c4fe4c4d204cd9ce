"""Review: what waits and in which order, a decision that wins and stays, images that go back or cannot be used."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import select, text

from db import annotations, labels, review, rounds, samples
from db import pool as pool_of
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound
from db.records import Actor, ClaimedQuery, Decision, NewQuery, NewQueue, Round
from db.tables import AnnotationEventRow, QueryRow, SampleRow
from tests.db.scenes import Scene, as_gold, make_scene, scalar


def new_id() -> str:
    return str(uuid.uuid4())


def vote(scene: Scene, actor: Actor, **answers: str) -> dict[str, ClaimedQuery]:
    """Let somebody answer the open images by place: a=..., b=..., c=... is the first, second, third of the pool."""
    held = {query.rank: query for query in scene.claim(actor, 20)}
    done = {}
    for place, name in answers.items():
        query = held[ord(place) - ord("a")]
        scene.submit(actor, query, name, latency_ms=1000, note="look" if name == "flag" else "")
        done[place] = query
    return done


def contested(database: Database, **settings: object) -> tuple[Scene, list[int]]:
    """Four images: a tie, an agreement, one flagged and one that nobody was sure of."""
    scene = make_scene(database, images=8, overlap=2, **settings)
    pool = scene.pool()
    scene.ask(4)
    vote(scene, scene.person("ana"), a="cat", b="cat", c="flag", d="unsure")
    vote(scene, scene.person("bob"), a="dog", b="cat", c="cat", d="unsure")
    return scene, pool


def decide(scene: Scene, item: int, name: str | None, **more: object) -> Decision:
    class_id = None if name is None else scene.cls(name)
    actor = more.pop("actor", scene.ada)
    decision_id = more.pop("decision_id", new_id())
    return review.decide(scene.database, actor, scene.id, decision_id, item, class_id, **more)


def queue(scene: Scene, **more: object) -> list[int]:
    return [item.sample_id for item in review.next_items(scene.database, scene.ada, scene.id, **more)]


def set_state(scene: Scene, item: int, state: str) -> None:
    statement = text("UPDATE queries SET state = :state WHERE sample_id = :item")
    scene.database.write(lambda session: session.execute(statement, {"state": state, "item": item}))


def state_of(scene: Scene, item: int) -> list[tuple[str, str]]:
    statement = select(QueryRow.kind, QueryRow.state).where(QueryRow.sample_id == item).order_by(QueryRow.id)
    return scene.database.read(lambda session: list(session.execute(statement).tuples()))


def rebuilt(scene: Scene) -> bool:
    return labels.rebuild(scene.database) == scene.labels()


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


def test_sent_back_it_is_asked_again_of_everybody(database: Database) -> None:
    scene, pool = contested(database)
    decision_id = new_id()
    done = review.send_back(database, scene.ada, scene.id, decision_id, pool[1], "look at the ears")
    again = review.send_back(database, scene.ada, scene.id, decision_id, pool[1], "look at the ears")
    assert (done.label, done.repeated, again.repeated) == (None, False, True)
    assert pool[1] not in scene.labels()
    assert rebuilt(scene)
    assert state_of(scene, pool[1]) == [("learn", "open")]
    for name in ("ana", "bob"):
        held = [query for query in scene.claim(scene.person(name), 5) if query.sample_id == pool[1]]
        assert held
        assert held[0].rank == 0
        scene.submit(scene.person(name), held[0], "dog")
    assert scene.labels()[pool[1]] == scene.cls("dog")
    told = review.votes_of(database, scene.ada, scene.id, pool[1])
    assert [(past.what, past.note) for past in told.history] == [("sent back", "look at the ears")]
    assert [vote.class_name for vote in told.votes] == ["dog", "dog"]
    assert rebuilt(scene)
    kinds = (
        select(AnnotationEventRow.kind).where(AnnotationEventRow.sample_id == pool[1]).order_by(AnnotationEventRow.id)
    )
    events = database.read(lambda session: list(session.scalars(kinds)))
    assert events == ["answer", "answer", "withdraw", "withdraw", "answer", "answer"]


@pytest.mark.parametrize("name", ["owl", None])
def test_sending_back_takes_an_earlier_review_back(database: Database, name: str | None) -> None:
    scene, pool = contested(database)
    decide(scene, pool[0], name)
    review.send_back(database, scene.ada, scene.id, new_id(), pool[0])
    assert pool[0] not in scene.labels()
    for person in ("ana", "bob"):
        held = [query for query in scene.claim(scene.person(person), 5) if query.sample_id == pool[0]]
        scene.submit(scene.person(person), held[0], "dog")
    assert scene.labels()[pool[0]] == scene.cls("dog")
    assert rebuilt(scene)
    assert pool[0] not in queue(scene)


def test_sent_back_after_its_round_it_joins_the_open_one(database: Database) -> None:
    scene = make_scene(database, images=9, overlap=1)
    scene.ask(1)
    ana = scene.person("ana")
    [query] = scene.claim(ana)
    scene.submit(ana, query, "cat")
    turn = scene.ask(2)
    review.send_back(database, scene.ada, scene.id, new_id(), query.sample_id)
    assert scalar(database, f"SELECT round_id FROM queries WHERE sample_id = {query.sample_id}") == turn.id
    assert query.sample_id in [held.sample_id for held in scene.claim(ana, 5)]


def test_sent_back_while_no_round_is_open_it_comes_with_the_next(database: Database) -> None:
    scene = make_scene(database, images=8)
    scene.ask(1)
    ana = scene.person("ana")
    [query] = scene.claim(ana)
    assert scene.submit(ana, query, "cat").round_complete
    turn = rounds.begin_round(database, scene.system, scene.id)  # closes the first; the second is being prepared
    assert isinstance(turn, Round)
    review.send_back(database, scene.ada, scene.id, new_id(), query.sample_id, "look at the <b>ears</b>")
    queue = NewQueue(queries=[NewQuery(sample_id=scene.pool()[-1], rank=5)], strategy="test")
    rounds.enqueue(database, scene.system, turn.id, queue)
    first, second = scene.claim(ana, 5)
    assert (first.sample_id, first.comment, second.comment) == (query.sample_id, "look at the <b>ears</b>", "")
    moved = f"SELECT count(*) FROM queries WHERE id = {query.query_id} AND round_id = {turn.id}"
    assert scalar(database, moved) == 1


@pytest.mark.parametrize("kind", ["gold", "spot_check"])
def test_a_check_shows_no_reviewers_comment(database: Database, kind: str) -> None:
    scene = make_scene(database, images=8)
    scene.ask(1)
    details = '{"comment": "the answer is cat"}'
    database.write(
        lambda session: session.execute(text(f"UPDATE queries SET details = '{details}'"))  # as a check takes it over
    )
    assert [query.comment for query in scene.claim(scene.ada)] == ["the answer is cat"]
    database.write(lambda session: session.execute(text(f"UPDATE queries SET kind = '{kind}'")))
    assert [query.comment for query in scene.claim(scene.ada)] == [""]


def test_nothing_to_send_back_is_said(database: Database) -> None:
    scene = make_scene(database, images=3)
    with pytest.raises(Conflict, match="send back"):
        review.send_back(database, scene.ada, scene.id, new_id(), scene.pool()[0])


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
