"""Claims: the order people get queries in, leases by the database's clock, tokens that only grow."""

from __future__ import annotations

import pytest

from db import annotations, claims, projects
from db.engine import Database
from db.errors import InvalidInput
from tests.db.scenes import make_scene, scalar


def test_best_rank_first_and_the_reserve_last(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(3, reserve=3)
    first = scene.claim(scene.ada, 2)
    assert [query.rank for query in first] == [0, 1]
    assert [query.rank for query in scene.claim(scene.person("bob"), 3)] == [2, 3, 4]


def test_a_reload_gets_the_same_images_renewed(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(3)
    before = scene.claim(scene.ada, 2, 10)
    after = scene.claim(scene.ada, 3, 600)
    assert [query.query_id for query in after[:2]] == [query.query_id for query in before]
    assert [query.token for query in after[:2]] == [query.token for query in before]
    assert after[0].expires_at > before[0].expires_at + 500_000
    assert len(after) == 3


def test_an_expired_claim_is_taken_over_and_its_token_grows(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(1)
    mine = scene.claim(scene.ada)[0]
    assert scene.claim(scene.person("bob")) == []
    scene.age_claims()
    theirs = scene.claim(scene.person("bob"))[0]
    assert theirs.query_id == mine.query_id
    assert theirs.token > mine.token
    assert scene.claim(scene.ada) == []


def test_an_expired_claim_that_nobody_took_is_still_ones_own(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(2)
    before = scene.claim(scene.ada, 2)
    scene.age_claims()
    assert [query.token for query in scene.claim(scene.ada, 2)] == [query.token for query in before]


def test_two_people_share_a_query_of_overlap_two(database: Database) -> None:
    scene = make_scene(database, overlap=2)
    scene.ask(1)
    found = [scene.claim(scene.person(name)) for name in ("ada", "bob", "eve")]
    assert [len(entry) for entry in found] == [1, 1, 0]
    assert scalar(database, "SELECT count(DISTINCT slot) FROM claims") == 2


def test_a_skipped_query_goes_to_others_and_not_back(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(1)
    scene.submit(scene.ada, scene.claim(scene.ada)[0], "skip")
    assert scene.claim(scene.ada) == []
    assert len(scene.claim(scene.person("bob"))) == 1


def test_older_rounds_come_first_when_they_have_votes(database: Database) -> None:
    scene = make_scene(database, overlap=2)
    scene.ask(2)
    bob = scene.person("bob")
    for query in scene.claim(scene.ada, 2):
        scene.submit(scene.ada, query)
    scene.submit(bob, scene.claim(bob, 1)[0])
    database.write(lambda session: session.connection().exec_driver_sql("UPDATE rounds SET state = 'closed'"))
    scene.ask(2)
    assert [query.rank for query in scene.claim(bob, 3)] == [1, 0, 1]


def test_renew_and_release(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(2)
    one, two = scene.claim(scene.ada, 2, 5)
    tokens = [(one.query_id, one.token), (two.query_id, two.token + 1)]
    assert claims.renew(database, scene.ada, scene.id, tokens, 600) == [one.query_id]
    bob = scene.person("bob")
    assert claims.renew(database, bob, scene.id, tokens) == []
    assert claims.release(database, bob, scene.id, [one.query_id]) == 0
    assert claims.release(database, scene.ada, scene.id, [one.query_id]) == 1
    assert [query.query_id for query in scene.claim(bob, 2)] == [one.query_id]


def test_waiting_says_when_something_will_be_free(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(3)
    scene.claim(scene.ada, 2, 100)
    bob = scene.person("bob")
    seen = claims.waiting(database, bob, scene.id)
    assert (seen.open, seen.with_others) == (1, 2)
    assert seen.next_free_in_ms is not None
    assert 90_000 < seen.next_free_in_ms <= 100_000
    scene.age_claims()
    assert claims.waiting(database, bob, scene.id).open == 3


def test_predictions_are_hidden_unless_the_project_shows_them(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(1)
    database.write(lambda session: session.connection().exec_driver_sql("UPDATE queries SET predicted = 2"))
    assert scene.claim(scene.ada)[0].predicted is None
    projects.update_project(database, scene.ada, scene.id, show_predictions=True)
    assert scene.claim(scene.ada)[0].predicted == 2


def test_a_paused_project_hands_out_nothing_new(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(2)
    held = scene.claim(scene.ada, 1)
    projects.set_paused(database, scene.ada, scene.id, True)
    assert [query.query_id for query in scene.claim(scene.ada, 2)] == [held[0].query_id]
    assert scene.submit(scene.ada, held[0]).status == "saved"


@pytest.mark.parametrize(("count", "lease"), [(0, 120), (1001, 120), (1, 0), (1, 86_401), (True, 120)])
def test_odd_amounts_are_refused(sqlite_place: object, count: int, lease: int) -> None:
    with sqlite_place.open() as database:
        scene = make_scene(database, images=0)
        with pytest.raises(InvalidInput, match="expected"):
            scene.claim(scene.ada, count, lease)


def test_recent_answers_newest_first(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(3)
    for query, name in zip(scene.claim(scene.ada, 3), ("cat", "skip", "owl"), strict=True):
        scene.submit(scene.ada, query, name)
    found = annotations.recent(database, scene.ada, scene.id, 2)
    assert [entry.outcome for entry in found] == ["class", "skip"]
    assert found[0].class_id == scene.cls("owl")
    assert annotations.recent(database, scene.person("bob"), scene.id) == []


def test_a_new_round_goes_before_the_reserve_that_somebody_holds(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(1, reserve=4)
    scene.submit(scene.ada, scene.claim(scene.ada, 4)[0])
    held = scene.claim(scene.ada, 4)
    assert [query.reserve for query in held] == [True] * 4
    assert [query.token for query in scene.claim(scene.ada, 4)] == [query.token for query in held]  # nothing churns
    scene.ask(2)
    got = scene.claim(scene.ada, 3)
    assert [(query.reserve, query.rank) for query in got] == [(False, 0), (False, 1), (True, 3)]
    assert [query.query_id for query in got] == [
        query.query_id for query in held[:3]
    ]  # asked again: moved, not doubled
    assert [query.token for query in got] == [query.token for query in held[:3]]
    assert [query.rank for query in scene.claim(scene.person("bob"), 5)] == [4]  # released for others


def test_what_is_left_is_told_and_counted_only_as_far_as_asked(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(6, slots=2)
    ada, bob, eve = scene.ada, scene.person("bob"), scene.person("eve")
    assert (len(scene.claim(bob, 4, lease=60)), len(scene.claim(eve, 3, lease=600))) == (4, 3)
    left = claims.waiting(database, ada, scene.id)
    assert (left.open, left.with_others) == (3, 3)
    assert left.next_free_in_ms is not None
    assert 0 < left.next_free_in_ms <= 60_000
    assert [claims.free_now(database, ada, scene.id, most) for most in (1, 2, 3, 1000)] == [1, 2, 3, 3]
    scene.claim(ada, 3)
    assert claims.free_now(database, ada, scene.id, 5) == 0
    assert claims.waiting(database, ada, scene.id).open == 0
