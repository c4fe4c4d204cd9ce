"""A group that is taken back: its labels, its marks and its checks with it."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from db import annotations, grid_marks
from db.engine import Database
from db.errors import NotFound
from tests.db.grid_scenes import ask_grid, checks, everything_fits, group, kinds, send, take_back, tile
from tests.db.scenes import as_gold, make_scene, scalar


def test_an_undo_brings_a_tile_back_and_its_check_is_not_doubled(database: Database) -> None:
    scene = make_scene(database, spot_check_share=1.0)
    ask_grid(scene, 1)
    [mine] = group(scene).queries
    answer = tile(scene, mine, "cat")
    send(scene, answer)
    receipt = annotations.undo(database, scene.ada, scene.id, str(uuid.uuid4()), answer.answer_id)
    assert receipt.claimed is not None
    assert (receipt.claimed.query_id, scene.labels()) == (mine.query_id, {})
    everything_fits(scene)
    [again] = group(scene).queries
    send(scene, tile(scene, again, "cat"))
    assert len(checks(scene)) == 1
    assert scene.labels() == {mine.sample_id: scene.cls("cat")}
    everything_fits(scene)


def test_a_whole_group_is_taken_back_marks_and_all(database: Database) -> None:
    scene = make_scene(database, spot_check_share=0.0)
    ask_grid(scene, 4)
    queries = group(scene).queries
    answers = [tile(scene, query, "skip" if place % 2 else "cat") for place, query in enumerate(queries)]
    for answer in answers:
        send(scene, answer)
    receipts = [take_back(scene, answer) for answer in reversed(answers)]
    assert [receipt.claimed.query_id for receipt in receipts if receipt.claimed] == [
        query.query_id for query in reversed(queries)
    ]
    assert scene.labels() == {}
    assert {query.query_id for query in group(scene).queries} == {query.query_id for query in queries}
    assert scalar(database, "SELECT count(*) FROM queries WHERE kind = 'confirm' AND state = 'open'") == 4
    for query in group(scene).queries:
        assert send(scene, tile(scene, query, "cat")).status == "saved"
    assert set(scene.labels().values()) == {scene.cls("cat")}
    everything_fits(scene)


def test_a_mark_that_was_taken_back_can_be_made_again(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 1)
    [mine] = group(scene).queries
    first = tile(scene, mine, "skip")
    send(scene, first)
    undo_id = str(uuid.uuid4())
    undone = annotations.undo(database, scene.ada, scene.id, undo_id, first.answer_id)
    again = annotations.undo(database, scene.ada, scene.id, undo_id, first.answer_id)
    assert again == replace(undone, repeated=True)
    with pytest.raises(NotFound, match="taken back before"):
        take_back(scene, first)
    assert undone.claimed is not None
    send(scene, tile(scene, undone.claimed, "skip"))
    assert kinds(scene, mine.sample_id) == [("learn", "open")]


def test_a_mark_stays_where_somebody_looks_at_the_image_singly(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 2)
    held, answered = (tile(scene, query, "skip") for query in group(scene).queries)
    send(scene, held)
    send(scene, answered)
    bob = scene.person("bob")
    _, second = scene.claim(bob, 2)
    scene.submit(bob, second, "dog")
    before = scene.labels()
    for mark in (held, answered):
        receipt = take_back(scene, mark)
        assert (receipt.claimed, receipt.message) == (None, grid_marks.ASKED_SINGLY)
    assert scalar(database, "SELECT count(*) FROM queries WHERE kind = 'confirm'") == 0
    assert scene.labels() == before
    everything_fits(scene)


def test_a_mark_of_two_people_stays_when_one_takes_it_back(database: Database) -> None:
    scene = make_scene(database, overlap=2)
    ask_grid(scene, 1)
    bob = scene.person("bob")
    [mine], [theirs] = group(scene).queries, group(scene, bob).queries
    ada_says, bob_says = tile(scene, mine, "skip"), tile(scene, theirs, "skip")
    send(scene, ada_says)
    send(scene, bob_says, bob)
    assert take_back(scene, ada_says).claimed is None
    assert kinds(scene, mine.sample_id) == [("learn", "open")]
    assert take_back(scene, bob_says, bob).message == grid_marks.ASKED_SINGLY  # ada's was never taken back
    everything_fits(scene)


def test_a_skip_in_single_mode_is_taken_back_as_a_skip(database: Database) -> None:
    scene = make_scene(database, gold_share=0.0)
    ask_grid(scene, 0, learn=1)
    [query] = scene.claim(scene.ada)
    as_gold(scene, query.query_id, 0)  # its skip does not count, as a mark does not
    answer = scene.answer(query, "skip")
    send(scene, answer)
    assert take_back(scene, answer).message == ""
    assert scalar(database, "SELECT count(*) FROM annotations WHERE withdrawn_at IS NULL") == 0
    assert kinds(scene, query.sample_id) == [("gold", "open")]
