"""Images that a reviewer sends back: asked again of everybody, in which round, and with which comment."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from db import review, rounds
from db.engine import Database
from db.errors import Conflict
from db.records import NewQuery, NewQueue, Round
from db.tables import AnnotationEventRow
from tests.db.review_scenes import contested, decide, new_id, queue, rebuilt, state_of
from tests.db.scenes import make_scene, scalar


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
