"""Tiles marked as wrong: they come back singly, are free for others at once, and late marks are kept aside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db import grid_marks
from db.engine import Database
from db.errors import Conflict
from tests.db.grid_scenes import ask_grid, everything_fits, group, kinds, send, tile
from tests.db.scenes import make_scene, scalar


def test_a_wrong_tile_comes_back_singly_to_the_same_person(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 2)
    wrong, _ = group(scene).queries
    answer = tile(scene, wrong, "skip")
    first = send(scene, answer)
    assert (first.status, first.query_closed, first.repeated) == ("saved", False, False)
    assert scalar(database, "SELECT count(*) FROM annotations") == 0
    assert kinds(scene, wrong.sample_id) == [("learn", "open")]
    again = send(scene, answer)
    assert (again.repeated, scene.events()) == (True, 1)
    event = "SELECT count(*) FROM annotation_events WHERE kind = 'answer' AND NOT counts AND outcome = 'skip'"
    assert scalar(database, event) == 1
    [asked] = scene.claim(scene.ada, 5)
    assert (asked.query_id, asked.token > wrong.token) == (wrong.query_id, True)
    assert scene.submit(scene.ada, asked, "dog").status == "saved"
    assert scene.labels() == {wrong.sample_id: scene.cls("dog")}
    assert send(scene, answer).repeated  # an outbox that is sent late changes nothing
    assert scene.labels() == {wrong.sample_id: scene.cls("dog")}
    everything_fits(scene)


def test_a_wrong_tile_is_free_for_others_at_once(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 1)
    [wrong] = group(scene).queries
    send(scene, tile(scene, wrong, "skip"))
    assert [query.query_id for query in scene.claim(scene.person("bob"), 5)] == [wrong.query_id]


def test_two_people_may_disagree_about_a_tile(database: Database) -> None:
    scene = make_scene(database, overlap=2, spot_check_share=0.0)
    ask_grid(scene, 1)
    bob = scene.person("bob")
    [mine], [theirs] = group(scene).queries, group(scene, bob).queries
    send(scene, tile(scene, mine, "cat"))
    send(scene, tile(scene, theirs, "skip"), bob)
    assert kinds(scene, mine.sample_id) == [("learn", "open")]
    [asked] = scene.claim(bob, 5)
    scene.submit(bob, asked, "cat")
    assert scene.labels() == {mine.sample_id: scene.cls("cat")}
    everything_fits(scene)


def test_both_may_say_that_a_tile_is_wrong(database: Database) -> None:
    scene = make_scene(database, overlap=2)
    ask_grid(scene, 1)
    bob = scene.person("bob")
    [mine], [theirs] = group(scene).queries, group(scene, bob).queries
    assert send(scene, tile(scene, mine, "skip")).status == "saved"
    assert send(scene, tile(scene, theirs, "skip"), bob).status == "saved"
    assert scalar(database, "SELECT count(*) FROM annotations") == 0
    assert len(scene.claim(scene.ada, 5)) == len(scene.claim(bob, 5)) == 1


def test_a_late_mark_of_a_tile_that_others_confirmed_is_kept_aside(database: Database) -> None:
    scene = make_scene(database, spot_check_share=0.0)
    ask_grid(scene, 1)
    [mine] = group(scene).queries
    scene.age_claims()
    bob = scene.person("bob")
    [theirs] = group(scene, bob).queries
    assert theirs.token > mine.token
    send(scene, tile(scene, theirs, "cat"), bob)
    late = send(scene, tile(scene, mine, "skip"))
    assert (late.status, late.message) == ("draft", grid_marks.GONE)
    assert scene.labels() == {mine.sample_id: scene.cls("cat")}
    everything_fits(scene)


def test_a_mark_after_the_lease_counts_while_the_tile_is_open(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 1)
    [mine] = group(scene).queries
    scene.age_claims()
    bob = scene.person("bob")
    [theirs] = group(scene, bob).queries
    assert send(scene, tile(scene, mine, "skip")).status == "saved"
    assert kinds(scene, mine.sample_id) == [("learn", "open")]
    assert send(scene, tile(scene, theirs, "cat"), bob).status == "saved"  # bob still holds it


def test_a_mark_after_an_own_confirmation_is_kept_aside(database: Database) -> None:
    scene = make_scene(database, overlap=2)
    ask_grid(scene, 1)
    [mine] = group(scene).queries
    send(scene, tile(scene, mine, "cat"))
    assert send(scene, tile(scene, mine, "skip")).status == "draft"
    assert kinds(scene, mine.sample_id)[0] == ("confirm", "open")


def test_a_mark_needs_a_claim_of_ones_own(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 1)
    [mine] = group(scene).queries
    with pytest.raises(Conflict, match="token"):
        send(scene, tile(scene, mine, "skip"), scene.person("bob"))
    answer = tile(scene, mine, "skip")
    send(scene, answer)
    with pytest.raises(Conflict, match="another one"):
        send(scene, replace(answer, outcome="unsure"))


def test_a_skip_in_single_mode_stays_a_skip(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 0, learn=1)
    scene.submit(scene.ada, scene.claim(scene.ada)[0], "skip")
    assert scalar(database, "SELECT count(*) FROM annotations WHERE outcome = 'skip'") == 1
