"""Spot checks: confirmed tiles that are asked again singly, and what a check that disagrees does."""

from __future__ import annotations

from db import grid
from db.consensus import Ballot, Verdict
from db.engine import Database
from tests.db.grid_scenes import ask_grid, checks, everything_fits, group, send, tile
from tests.db.scenes import make_scene, scalar


def test_every_confirmation_is_checked_if_the_project_says_so(database: Database) -> None:
    scene = make_scene(database, spot_check_share=1.0)
    ask_grid(scene, 2, learn=2)
    one, two = group(scene).queries
    answer = tile(scene, one, "cat")
    send(scene, answer)
    send(scene, answer)
    send(scene, tile(scene, two, "skip"))
    [check] = checks(scene).values()
    assert (check.sample_id, check.slots, check.reserve, check.state) == (one.sample_id, 1, False, "open")
    assert (check.predicted, check.score, check.group_key) == (0, 0.99, None)
    asked = scene.claim(scene.ada, 10)  # also to the person who confirmed it, after what the round asked
    assert asked[-1].sample_id == one.sample_id
    assert {(query.kind, query.predicted) for query in asked} == {("learn", None)}
    scene.submit(scene.ada, asked[-1], "cat")
    assert scene.labels() == {one.sample_id: scene.cls("cat")}
    assert scalar(database, "SELECT votes FROM labels") == 1  # two answers of one person are one vote
    everything_fits(scene)


def test_a_check_that_disagrees_leaves_the_image_for_a_review(database: Database) -> None:
    scene = make_scene(database, spot_check_share=1.0)
    ask_grid(scene, 1)
    [mine] = group(scene).queries
    send(scene, tile(scene, mine, "cat"))
    assert scene.labels() == {mine.sample_id: scene.cls("cat")}
    [asked] = scene.claim(scene.ada, 5)
    scene.submit(scene.ada, asked, "dog")
    assert scene.labels() == {}
    everything_fits(scene)


def test_two_answers_of_one_person_do_not_outvote_another() -> None:
    cat, dog, ada, bob = 1, 2, 10, 11
    ballot = Ballot(votes={1: {ada: cat}, 2: {ada: cat}, 3: {bob: dog}}, slots={1: 1, 2: 1, 3: 1})
    assert ballot.verdict() is None
    ballot.vote(4, 12, dog)
    assert ballot.verdict() == Verdict(dog, "consensus", 3)


def test_which_images_are_checked_follows_from_seed_and_sample(database: Database) -> None:
    scene = make_scene(database, images=120, spot_check_share=0.2, seed=5)
    ask_grid(scene, 100)
    for half in (group(scene), group(scene)):
        for query in half.queries:
            send(scene, tile(scene, query, "cat"))
    for query in group(scene).queries:
        send(scene, tile(scene, query, "cat"))
    chosen = set(checks(scene))
    ids = [int(item) for item in scene.labels()]
    assert chosen == {item for item in ids if grid._is_checked(5, item, 0.2)}
    assert 8 <= len(chosen) <= 34
    wider = {item for item in ids if grid._is_checked(5, item, 0.4)}
    assert chosen < wider
    assert chosen != {item for item in ids if grid._is_checked(6, item, 0.2)}


def test_shares_at_both_ends() -> None:
    assert not any(grid._is_checked(0, item, 0.0) for item in range(1000))
    assert all(grid._is_checked(0, item, 1.0) for item in range(1000))
    assert 30 < sum(grid._is_checked(0, item, 0.05) for item in range(1000)) < 75
