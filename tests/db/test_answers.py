"""Answers: saved once whatever is repeated, late ones, edits, undo; and when a round is over."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from db import access, annotations, labels, projects, rounds, samples
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound
from tests.db.scenes import Scene, make_scene, messages, scalar


def undo(scene: Scene, actor: access.Actor, answer_id: str, undo_id: str | None = None) -> annotations.Receipt:
    return annotations.undo(scene.database, actor, scene.id, undo_id or str(uuid.uuid4()), answer_id)


def topics(database: Database) -> list[str]:
    return [message.topic for message in messages(database)]


def test_an_answer_makes_a_label_and_an_event(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(2)
    query = scene.claim(scene.ada)[0]
    receipt = scene.submit(scene.ada, query, "dog", note="a <b>bold</b> 'dog'", latency_ms=321, prediction_shown=True)
    assert (receipt.status, receipt.query_closed, receipt.round_complete) == ("saved", True, False)
    assert scene.labels() == {query.sample_id: scene.cls("dog")} == labels.rebuild(database)
    row = "SELECT latency_ms FROM annotations WHERE prediction_shown"
    assert scalar(database, row) == 321


def test_a_repeat_returns_the_first_result_and_does_nothing(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(1)
    answer = scene.answer(scene.claim(scene.ada)[0])
    first = annotations.submit(database, scene.ada, scene.id, answer)
    again = annotations.submit(
        database, scene.ada, scene.id, replace(answer, answer_id=answer.answer_id.upper(), shown_at=5)
    )
    assert again == replace(first, repeated=True)
    assert first.round_complete
    assert scene.events() == 1


def test_another_answer_under_the_same_id_is_an_error(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(2)
    one, two = scene.claim(scene.ada, 2)
    answer = scene.answer(one)
    annotations.submit(database, scene.ada, scene.id, answer)
    for other in (
        replace(answer, class_id=scene.cls("owl")),
        replace(answer, note="x"),
        scene.answer(two, answer_id=answer.answer_id),
    ):
        with pytest.raises(Conflict, match="same answer under the id"):
            annotations.submit(database, scene.ada, scene.id, other)
    with pytest.raises(Conflict, match="same answer under the id"):
        annotations.submit(database, scene.person("bob"), scene.id, answer)


def test_a_late_answer_counts_while_there_is_a_free_slot(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(1)
    query = scene.claim(scene.ada)[0]
    scene.age_claims()
    bob = scene.person("bob")
    theirs = scene.claim(bob)[0]
    scene.age_claims()  # bob, too, went away
    assert scene.submit(scene.ada, query).status == "saved"
    assert scene.submit(bob, theirs).status == "draft"


def test_a_late_answer_to_a_full_query_is_kept_as_a_draft(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(1)
    query = scene.claim(scene.ada)[0]
    scene.age_claims()
    bob = scene.person("bob")
    scene.submit(bob, scene.claim(bob)[0], "owl")
    late = scene.answer(query, "cat")
    receipt = annotations.submit(database, scene.ada, scene.id, late)
    assert (receipt.status, receipt.message) == (
        "draft",
        "Enough others have answered this image; your answer is kept as a draft.",
    )
    assert annotations.submit(database, scene.ada, scene.id, late).repeated
    assert scene.labels() == {query.sample_id: scene.cls("owl")} == labels.rebuild(database)
    assert undo(scene, scene.ada, late.answer_id).status == "saved"
    assert scene.labels() == {query.sample_id: scene.cls("owl")} == labels.rebuild(database)


def test_a_late_answer_to_a_withdrawn_query_counts_and_spares_the_next(database: Database) -> None:
    scene = make_scene(database, images=2)
    scene.ask(1, reserve=1)
    main, reserve = scene.claim(scene.ada, 2)
    scene.submit(scene.ada, main)
    scene.age_claims()
    scene.ask(1)  # the reserve is withdrawn and its image asked again
    assert scalar(database, "SELECT count(*) FROM queries WHERE state = 'open'") == 1
    assert scene.submit(scene.ada, reserve, "owl").status == "saved"
    assert scalar(database, "SELECT count(*) FROM queries WHERE state = 'open'") == 0
    assert len(scene.labels()) == 2


def test_a_second_answer_to_one_query_is_a_draft(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(1)
    query = scene.claim(scene.ada)[0]
    scene.submit(scene.ada, query)
    assert "answered this image already" in scene.submit(scene.ada, query, "owl").message
    assert scene.labels() == {query.sample_id: scene.cls("cat")}


def test_an_edit_replaces_the_answer_at_once(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(1)
    query = scene.claim(scene.ada)[0]
    first = scene.submit(scene.ada, query)
    edit = scene.submit(scene.ada, query, "owl", supersedes=first.answer_id)
    assert (edit.status, edit.query_closed) == ("saved", True)
    assert scene.labels() == {query.sample_id: scene.cls("owl")} == labels.rebuild(database)
    assert [entry.answer_id for entry in annotations.recent(database, scene.ada, scene.id)] == [edit.answer_id]


def test_an_edit_to_a_skip_takes_the_label_back(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(1)
    query = scene.claim(scene.ada)[0]
    first = scene.submit(scene.ada, query)
    edit = scene.submit(scene.ada, query, "skip", supersedes=first.answer_id)
    assert (edit.status, edit.query_closed) == ("saved", False)
    assert scene.labels() == {} == labels.rebuild(database)
    assert len(scene.claim(scene.person("bob"))) == 1


def test_an_edit_that_comes_too_late_leaves_the_answer_as_it_was(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(1)
    query = scene.claim(scene.ada)[0]
    skipped = scene.submit(scene.ada, query, "skip")
    bob = scene.person("bob")
    scene.submit(bob, scene.claim(bob)[0], "dog")
    assert scene.submit(scene.ada, query, "owl", supersedes=skipped.answer_id).status == "draft"
    assert [entry.outcome for entry in annotations.recent(database, scene.ada, scene.id)] == ["skip"]
    assert scene.labels() == {query.sample_id: scene.cls("dog")} == labels.rebuild(database)


def test_undo_takes_the_label_back_and_gives_the_query_again(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(1)
    query = scene.claim(scene.ada)[0]
    answer = scene.submit(scene.ada, query)
    assert rounds.due(database)
    undo_id = str(uuid.uuid4())
    receipt = undo(scene, scene.ada, answer.answer_id, undo_id)
    assert receipt.claimed is not None
    assert (receipt.claimed.query_id, receipt.round_complete) == (query.query_id, False)
    assert receipt.claimed.token > query.token
    assert scene.labels() == {} == labels.rebuild(database)
    assert rounds.due(database) == []
    assert scene.claim(scene.person("bob")) == []
    repeat = undo(scene, scene.ada, answer.answer_id, undo_id)
    assert repeat == replace(receipt, repeated=True)
    assert scene.submit(scene.ada, receipt.claimed, "owl").round_complete
    assert scene.labels() == {query.sample_id: scene.cls("owl")} == labels.rebuild(database)
    assert topics(database).count("round_complete") == 2


def test_undo_of_a_pass_whose_slot_is_taken(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(1)
    skipped = scene.submit(scene.ada, scene.claim(scene.ada)[0], "skip")
    scene.claim(scene.person("bob"))
    receipt = undo(scene, scene.ada, skipped.answer_id)
    assert receipt.claimed is None
    assert "others" in receipt.message


@pytest.mark.parametrize("what", ["not mine", "twice", "unknown", "id of the answer"])
def test_undo_refuses(database: Database, what: str) -> None:
    scene = make_scene(database)
    scene.ask(1)
    answer = scene.submit(scene.ada, scene.claim(scene.ada)[0])
    if what == "twice":
        undo(scene, scene.ada, answer.answer_id)
    actor = scene.person("bob") if what == "not mine" else scene.ada
    target = str(uuid.uuid4()) if what == "unknown" else answer.answer_id
    own_id = answer.answer_id if what == "id of the answer" else None
    with pytest.raises((NotFound, Conflict), match="expected"):
        undo(scene, actor, target, own_id)


def test_what_cannot_be_an_answer_is_refused(database: Database) -> None:
    scene = make_scene(database)
    other = make_scene(database, name="other", images=0)
    scene.ask(1)
    query = scene.claim(scene.ada)[0]
    good = scene.answer(query)
    for change, error in (
        ({"class_id": other.cls()}, InvalidInput),
        ({"class_id": None}, InvalidInput),
        ({"outcome": "skip"}, InvalidInput),
        ({"outcome": "maybe"}, InvalidInput),
        ({"answer_id": "1"}, InvalidInput),
        ({"note": "a\x00b"}, InvalidInput),
        ({"note": "x" * 10_001}, InvalidInput),
        ({"latency_ms": -1}, InvalidInput),
        ({"latency_ms": 2**70}, InvalidInput),
        ({"token": 77}, Conflict),
        ({"query_id": 10_000}, NotFound),
    ):
        with pytest.raises(error, match="expected"):
            annotations.submit(database, scene.ada, scene.id, replace(good, **change))
    with pytest.raises(NotFound):
        annotations.submit(database, scene.ada, other.id, good)
    with pytest.raises(Conflict):  # a token that somebody else holds
        annotations.submit(database, scene.person("bob"), scene.id, good)
    assert scene.events() == 0


def test_votes_decide_by_majority_and_a_tie_waits_for_a_review(database: Database) -> None:
    scene = make_scene(database, overlap=3)
    scene.ask(1)
    for name, choice in (("ada", "cat"), ("bob", "dog"), ("eve", "cat")):
        person = scene.person(name)
        query = scene.claim(person)[0]
        scene.submit(person, query, choice)
    assert scene.labels() == {query.sample_id: scene.cls("cat")} == labels.rebuild(database)
    projects.update_project(database, scene.ada, scene.id, overlap=2)
    scene.ask(1)
    for name, choice in (("ada", "cat"), ("bob", "dog")):
        person = scene.person(name)
        query = scene.claim(person)[0]
        receipt = scene.submit(person, query, choice)
    assert receipt.query_closed
    assert query.sample_id not in scene.labels()
    assert samples.counts(database, scene.id).set_aside == 1


def test_one_annotator_who_skips_everything_blocks_nothing(database: Database) -> None:
    scene = make_scene(database, images=9)
    for _ in range(3):
        scene.ask(2, reserve=1)
        receipts = [scene.submit(scene.ada, query, "skip") for query in scene.claim(scene.ada, 9)]
        assert [receipt.round_complete for receipt in receipts] == [False, False, True]
    assert not rounds.begin_round(database, scene.system, scene.id)
    assert samples.counts(database, scene.id).set_aside == 9
    assert projects.get_project(database, scene.ada, scene.id).state == "finished"
    assert rounds.due(database) == []


def test_the_reserve_makes_up_for_what_was_passed_on(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(2, reserve=2)
    choices = ["unsure", "cat", "dog", "owl"]
    queries = scene.claim(scene.ada, 4)
    done = [
        scene.submit(scene.ada, query, choice).round_complete for query, choice in zip(queries, choices, strict=True)
    ]
    assert done == [False, False, True, True]
    assert topics(database).count("round_complete") == 1
    assert rounds.history(database, scene.ada, scene.id)[0].labels_gained == 3


def test_a_pass_does_not_wait_for_people_who_are_not_at_work(database: Database) -> None:
    scene = make_scene(database)
    other = make_scene(database, name="other")
    bob = scene.person("bob")
    other.ask(1)
    other.claim(bob)  # at work, but elsewhere
    scene.ask(1)
    assert scene.submit(scene.ada, scene.claim(scene.ada)[0], "unsure").round_complete


def test_a_pass_waits_for_others_who_are_at_work(database: Database) -> None:
    scene = make_scene(database)
    bob = scene.person("bob")
    scene.ask(2)
    mine, theirs = scene.claim(scene.ada)[0], scene.claim(bob)[0]
    assert not scene.submit(scene.ada, mine, "flag").round_complete
    assert not scene.submit(bob, theirs).round_complete
    assert scene.submit(bob, scene.claim(bob)[0], "flag").round_complete


def test_a_second_vote_that_nobody_can_give_is_not_waited_for(database: Database) -> None:
    scene = make_scene(database, overlap=2)
    scene.ask(1)
    query = scene.claim(scene.ada)[0]
    assert scene.submit(scene.ada, query, "owl").round_complete
    assert scene.labels() == {}
    scene.ask(1)  # closes the first round, which decides by the one vote there is
    assert scene.labels() == {query.sample_id: scene.cls("owl")} == labels.rebuild(database)


def test_a_second_vote_is_waited_for_while_somebody_can_give_it(database: Database) -> None:
    scene = make_scene(database, overlap=2)
    scene.person("bob")
    scene.ask(1)
    assert not scene.submit(scene.ada, scene.claim(scene.ada)[0]).round_complete
