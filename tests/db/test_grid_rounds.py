"""Tiles and the end of their round: they hold none open, and what is left of them comes along."""

from __future__ import annotations

import pytest

from db import claims, progress, rounds
from db.engine import Database
from tests.db.grid_scenes import all_pass, ask_grid, group, send, tile
from tests.db.scenes import make_scene, scalar


def test_checks_and_wrong_tiles_outlive_their_round(database: Database) -> None:
    scene = make_scene(database, spot_check_share=1.0)
    ask_grid(scene, 3, learn=1)
    good, wrong, _ = group(scene).queries
    send(scene, tile(scene, good, "cat"))
    send(scene, tile(scene, wrong, "skip"))
    claims.release(database, scene.ada, scene.id, [query.query_id for query in group(scene).queries])
    [learn] = [query for query in scene.claim(scene.ada, 1) if query.rank == 0]
    assert scene.submit(scene.ada, learn).round_complete
    second = ask_grid(scene, learn=1)
    moved = f"SELECT count(*) FROM queries WHERE sample_id = {wrong.sample_id} AND round_id = {second.id}"
    assert scalar(database, moved) == 1
    assert scalar(database, "SELECT count(*) FROM queries WHERE state = 'withdrawn' AND kind = 'confirm'") == 1
    assert {query.sample_id for query in scene.claim(scene.ada, 5)} >= {good.sample_id, wrong.sample_id}


def test_tiles_keep_no_round_from_its_end(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 3, learn=2)
    one, two = scene.claim(scene.ada, 2)
    scene.submit(scene.ada, one, "skip")
    assert scene.submit(scene.ada, two, "cat").round_complete


def test_a_wrong_tile_that_is_labeled_singly_ends_no_round_early(database: Database) -> None:
    scene = make_scene(database)
    turn = ask_grid(scene, 2, learn=2)
    for query in group(scene).queries:
        send(scene, tile(scene, query, "skip"))
    asked = scene.claim(scene.ada, 5)
    wrong, learn = [query for query in asked if query.rank > 1], [query for query in asked if query.rank < 2]
    for query in wrong:
        assert not scene.submit(scene.ada, query, "dog").round_complete
    assert progress.standing(database, scene.ada, scene.id).gained == 0
    assert rounds.history(database, scene.ada, scene.id)[0].labels_gained == 0
    assert [scene.submit(scene.ada, query, "cat").round_complete for query in learn] == [False, True]
    assert (turn.k, progress.standing(database, scene.ada, scene.id).gained) == (2, 2)


@pytest.mark.parametrize("said", [None, "unsure"])
def test_a_wrong_tile_holds_no_round_open(database: Database, said: str | None) -> None:
    scene = make_scene(database)
    ask_grid(scene, 1, learn=1)
    [marked] = group(scene).queries
    send(scene, tile(scene, marked, "skip"))
    learn, wrong = scene.claim(scene.ada, 5)
    if said is not None:  # bob might say more
        scene.submit(scene.ada, wrong, said)
    claims.release(database, scene.ada, scene.id, [learn.query_id, wrong.query_id])
    assert all_pass(scene, scene.person("bob"), scene.ada).round_complete


def test_a_tile_that_lacks_a_vote_holds_no_round_open_and_comes_along(database: Database) -> None:
    scene = make_scene(database, overlap=2, spot_check_share=0.0)
    ask_grid(scene, 1, learn=1)
    bob = scene.person("bob")
    [mine] = group(scene).queries
    send(scene, tile(scene, mine, "cat"))
    assert all_pass(scene, bob, scene.ada).round_complete
    following = ask_grid(scene, learn=1)
    assert following.number == 2
    [theirs] = group(scene, bob).queries
    assert theirs.sample_id == mine.sample_id
    send(scene, tile(scene, theirs, "cat"), bob)
    assert scene.labels() == {mine.sample_id: scene.cls("cat")}
    moved = f"SELECT count(*) FROM queries WHERE sample_id = {mine.sample_id} AND round_id = {following.id}"
    assert scalar(database, moved) == 1
