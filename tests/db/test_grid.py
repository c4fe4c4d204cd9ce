"""The grid: groups of one class, wrong tiles that come back singly, and checks of what was confirmed."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import select, text

from db import claims, grid, projects
from db.engine import Database
from db.errors import InvalidInput
from db.tables import ClaimRow
from tests.database_fixtures import Place
from tests.db import children
from tests.db.children import together
from tests.db.grid_scenes import ask_grid, checks, everything_fits, group, kinds, send, tile
from tests.db.scenes import make_scene, scalar


def test_a_group_is_of_one_class_and_as_large_as_asked(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 5, 3, learn=2)
    first = group(scene, most=4)
    assert (first.key, first.class_id) == ("group 0", scene.cls("cat"))
    assert [query.rank for query in first.queries] == [2, 3, 4, 5]
    assert {query.predicted for query in first.queries} == {0}  # shown by design, whatever the project hides
    known = [query.query_id for query in first.queries]
    rest = group(scene, besides=known)
    assert [query.rank for query in rest.queries] == [6]
    known += [query.query_id for query in rest.queries]
    dogs = group(scene, besides=known)
    assert (dogs.class_id, [query.rank for query in dogs.queries]) == (scene.cls("dog"), [7, 8, 9])
    known += [query.query_id for query in dogs.queries]
    assert grid.claim_group(database, scene.ada, scene.id, besides=known) is None


def test_a_reload_gets_the_same_group_renewed_and_filled_up(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 5, 3)
    before = group(scene, most=2, lease_seconds=10)
    again = group(scene, most=4, lease_seconds=600)
    assert again.queries[0].expires_at > before.queries[0].expires_at + 500_000
    assert [query.token for query in again.queries[:2]] == [query.token for query in before.queries]
    assert len(again.queries) == 4


def test_queries_without_a_key_are_grouped_by_class(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 2, 2)
    database.write(lambda session: session.execute(text("UPDATE queries SET group_key = NULL")))
    assert (group(scene).key, len(group(scene).queries)) == ("", 2)


def test_single_mode_gives_no_tiles_and_the_grid_nothing_else(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 3, learn=2)
    assert len(scene.claim(scene.ada, 10)) == 2
    group(scene)
    assert [query.kind for query in scene.claim(scene.ada, 10)] == ["learn", "learn"]
    assert grid.tiles(database, scene.person("bob"), scene.id) == 0
    assert claims.waiting(database, scene.person("bob"), scene.id).with_others == 2
    claims.release(database, scene.ada, scene.id, [query.query_id for query in group(scene).queries])
    assert grid.tiles(database, scene.person("bob"), scene.id) == 3
    assert len(group(scene, scene.person("bob")).queries) == 3
    assert claims.waiting(database, scene.person("eve"), scene.id).open == 0


def test_confirmed_tiles_become_labels(database: Database) -> None:
    scene = make_scene(database, spot_check_share=0.0)
    ask_grid(scene, 3)
    for query in group(scene).queries:
        receipt = send(scene, tile(scene, query, "cat", latency_ms=120))
        assert (receipt.status, receipt.query_closed) == ("saved", True)
    assert set(scene.labels().values()) == {scene.cls("cat")}
    seen = "SELECT count(*) FROM annotations WHERE mode = 'grid' AND prediction_shown AND latency_ms = 120"
    assert scalar(database, seen) == 3
    assert checks(scene) == {}
    assert grid.claim_group(database, scene.ada, scene.id) is None
    everything_fits(scene)


def test_a_holdout_image_stays_one(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 1)
    [mine] = group(scene).queries
    database.write(
        lambda session: session.execute(text(f"UPDATE samples SET split = 'holdout' WHERE id = {mine.sample_id}"))
    )
    send(scene, tile(scene, mine, "skip"))
    assert kinds(scene, mine.sample_id) == [("holdout", "open")]


def test_a_merged_class_is_asked_as_the_one_it_went_into(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 1)
    merge = f"UPDATE classes SET retired_at = 1, merged_into_id = {scene.cls('dog')} WHERE id = {scene.cls('cat')}"
    database.write(lambda session: session.execute(text(merge)))
    assert group(scene).class_id == scene.cls("dog")


def test_tiles_of_a_class_that_is_gone_are_asked_singly(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 2, 1)
    group(scene, most=1)
    database.write(lambda session: session.execute(text(f"UPDATE classes SET retired_at = 1 WHERE id = {scene.cls()}")))
    assert group(scene).class_id == scene.cls("dog")
    assert [query.rank for query in scene.claim(scene.ada, 5)] == [0, 1]


def test_a_paused_project_hands_out_no_new_tiles(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 4)
    held = group(scene, most=2)
    projects.set_paused(database, scene.ada, scene.id, True)
    assert [query.query_id for query in group(scene).queries] == [query.query_id for query in held.queries]
    assert grid.claim_group(database, scene.person("bob"), scene.id) is None


def test_an_expired_tile_goes_to_others(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 2)
    group(scene)
    bob = scene.person("bob")
    assert grid.claim_group(database, bob, scene.id) is None
    scene.age_claims()
    assert len(group(scene, bob).queries) == 2
    assert grid.claim_group(database, scene.ada, scene.id) is None


def test_a_tile_whose_answer_is_on_its_way_is_not_shown_again(database: Database) -> None:
    scene = make_scene(database)
    ask_grid(scene, 2)
    judged = [query.query_id for query in group(scene).queries]
    claims.release(database, scene.ada, scene.id, judged)  # as if others had had them meanwhile
    assert grid.claim_group(database, scene.ada, scene.id, besides=judged) is None


@pytest.mark.parametrize(("most", "besides"), [(0, []), (49, []), (1, ["x"]), (1, [-1]), (1, list(range(1001)))])
def test_odd_amounts_are_refused(sqlite_place: Place, most: int, besides: list[int]) -> None:
    with sqlite_place.open() as database:
        scene = make_scene(database, images=0)
        with pytest.raises(InvalidInput, match="expected"):
            grid.claim_group(database, scene.ada, scene.id, most, besides=besides)


def test_no_tile_is_given_twice(place: Place) -> None:
    with place.open() as database:
        scene = make_scene(database, images=80)
        ask_grid(scene, 40, 20, 20)
        names = ("ada", "bob", "eve", "eve")  # eve has two windows open
        together(children.claim_groups, [(place.url, place.home, scene.id, name) for name in names])
        leased = select(ClaimRow.query_id, ClaimRow.user_id).where(ClaimRow.state == "leased")
        rows = database.read(lambda session: session.execute(leased).tuples().all())
    assert set(Counter(query for query, _ in rows).values()) == {1}
    assert len(rows) == 80


def test_tiles_are_judged_once_whoever_is_faster(place: Place) -> None:
    """Four people confirm and reject the same groups of overlap two, and answer singly what was wrong."""
    with place.open() as database:
        scene = make_scene(database, images=40, spot_check_share=0.3)
        ask_grid(scene, 20, 12, slots=2)
        classes = [entry.id for entry in scene.project.classes]
        names = ("ada", "bob", "eve", "joe")
        together(children.judge_tiles, [(place.url, place.home, scene.id, name, classes) for name in names])
        over = "SELECT count(*) FROM (SELECT query_id FROM claims WHERE state IN ('leased', 'done') GROUP BY query_id "
        assert scalar(database, over + "HAVING count(*) > 2) AS crowded") == 0
        assert scalar(database, "SELECT count(*) FROM queries WHERE state = 'open'") == 0
        doubled = "SELECT count(*) FROM (SELECT sample_id FROM queries WHERE kind = 'spot_check' GROUP BY sample_id "
        assert scalar(database, doubled + "HAVING count(*) > 1) AS twice") == 0
        assert checks(scene)
        everything_fits(scene)
