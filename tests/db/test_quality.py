"""How annotators do: counted by hand on small scenes, and quick on many answers."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sqlalchemy import text

from db import access, grid, quality, review
from db.engine import Database
from db.records import Actor, AnnotatorRecord, NewQuery, NewQueue, Round
from db.rounds import begin_round, enqueue
from db.sql import insert_rows
from db.tables import AnnotationRow, ClaimRow, QueryRow
from tests.db.scenes import Scene, as_gold, make_scene
from tests.db.test_review import new_id

MINUTE = 60_000


def record(scene: Scene, name: str) -> AnnotatorRecord:
    found = quality.team(scene.database, scene.ada, scene.id)
    return next(person for person in found.people if person.name == name)


def ask(scene: Scene, strategy: str = "dfal()", **queries: object) -> Round:
    """Ask the first images of the pool with one field of each query given by place."""
    turn = begin_round(scene.database, scene.system, scene.id)
    assert isinstance(turn, Round)
    pool = scene.pool()
    places = range(max(len(values) for values in queries.values()))
    asked = [
        NewQuery(sample_id=pool[place], rank=place, **{name: values[place] for name, values in queries.items()})
        for place in places
    ]
    return enqueue(scene.database, scene.system, turn.id, NewQueue(queries=asked, strategy=strategy))


def answer_all(scene: Scene, actor: Actor, names: str, gold: dict[int, int] | None = None, **more: object) -> None:
    """Answer what is open by rank: c, d, o are classes, u is unsure, . is left; `gold` is expected by place."""
    words = {"c": "cat", "d": "dog", "o": "owl", "u": "unsure", "f": "flag"}
    group = grid.claim_group(scene.database, actor, scene.id) if more.get("mode") == "grid" else None
    held = sorted(group.queries if group else scene.claim(actor, len(names)), key=lambda query: query.rank)
    for place, expected in (gold or {}).items():
        as_gold(scene, held[place].query_id, expected)
    for query, letter in zip(held, names, strict=True):
        if letter in words:
            scene.submit(actor, query, words[letter], **more)


def test_votes_come_with_kind_round_and_whether_they_were_drawn_at_random(database: Database) -> None:
    scene = make_scene(database, images=8, overlap=2)
    pool = scene.pool()
    ask(scene, "RandomSampling()", kind=["learn"] * 2)
    ana, bob = scene.person("ana"), scene.person("bob")
    answer_all(scene, ana, "cd")
    answer_all(scene, bob, "cu")
    found = quality.votes(database, scene.ada, scene.id)
    assert list(zip(found.samples.tolist(), found.users.tolist(), found.classes.tolist(), strict=True)) == [
        (pool[0], ana.user_id, scene.cls("cat")),
        (pool[1], ana.user_id, scene.cls("dog")),
        (pool[0], bob.user_id, scene.cls("cat")),
    ]
    assert found.kinds.tolist() == ["learn"] * 3
    assert found.modes.tolist() == ["single"] * 3
    assert found.audit.tolist() == [True] * 3
    assert found.rounds.tolist() == [1] * 3
    assert found.names == {ana.user_id: "ana", bob.user_id: "bob"}
    assert len(quality.votes(database, scene.ada, make_scene(database, name="empty").id).samples) == 0


def test_queried_images_are_no_audit_and_merged_classes_count_together(database: Database) -> None:
    scene = make_scene(database, images=8)
    ask(scene, "dfal(seed=random)", kind=["learn"] * 2)
    answer_all(scene, scene.person("ana"), "cd", gold={1: 1})
    merge = "UPDATE classes SET retired_at = 1, merged_into_id = :into WHERE id = :dog"
    values = {"into": scene.cls("owl"), "dog": scene.cls("dog")}
    database.write(lambda session: session.execute(text(merge), values))
    found = quality.votes(database, scene.ada, scene.id)
    assert found.audit.tolist() == [False, False]
    assert found.kinds.tolist() == ["learn", "gold"]
    assert found.classes.tolist() == [scene.cls("cat"), scene.cls("owl")]
    database.write(lambda session: session.execute(text("UPDATE classes SET merged_into_id = NULL")))
    assert quality.votes(database, scene.ada, scene.id).classes.tolist() == [scene.cls("cat")]


def test_gold_is_counted_as_it_counts_today(database: Database) -> None:
    scene = make_scene(database, images=9)
    ask(scene, kind=["learn"] * 4)
    answer_all(scene, scene.person("ana"), "cddu", gold={0: 0, 1: 0, 2: 1, 3: 1})
    found = record(scene, "ana")
    assert (found.gold_total, found.gold_right, found.answers) == (3, 2, 4)
    merge = "UPDATE classes SET retired_at = 1, merged_into_id = :into WHERE id = :dog"
    values = {"into": scene.cls("cat"), "dog": scene.cls("dog")}
    database.write(lambda session: session.execute(text(merge), values))
    assert record(scene, "ana").gold_right == 3


def test_overruled_predictions_are_told_apart_from_unseen_ones(database: Database) -> None:
    scene = make_scene(database, images=9)
    ask(scene, predicted=[0, 0, 1, 1, None])
    ana = scene.person("ana")
    held = scene.claim(ana, 5)
    for query, (name, shown) in zip(
        held, [("cat", True), ("dog", True), ("dog", False), ("owl", False), ("cat", True)], strict=True
    ):
        scene.submit(ana, query, name, prediction_shown=shown)
    found = record(scene, "ana")
    assert (found.shown_total, found.shown_overruled) == (2, 1)
    assert (found.hidden_total, found.hidden_differed) == (2, 1)


def test_speed_leaves_breaks_out_and_knows_who_is_too_fast(database: Database) -> None:
    scene = make_scene(database, images=30)
    ask(scene, score=[1.0] * 12)
    ana, bob = scene.person("ana"), scene.person("bob")
    start = 1_700_000_000_000
    moments = [0, 10_000, 20_000, 20_000 + 6 * MINUTE, 30_000 + 6 * MINUTE]  # a break of six minutes
    for query, moment in zip(scene.claim(ana, 5), moments, strict=True):
        scene.submit(ana, query, "cat", answered_at=start + moment, latency_ms=4000)
    for query, latency in zip(scene.claim(bob, 4), [100, 200, 900, 5000], strict=True):
        scene.submit(bob, query, "cat", answered_at=start, latency_ms=latency)
    found = quality.team(database, scene.ada, scene.id)
    assert found.median_ms == 4000
    assert found.fast_below_ms == 1000  # a quarter of the team's median
    first, second = found.people
    assert (first.name, first.answers, first.active_ms) == ("ana", 5, 10_000 + 10_000 + 10_000 + 2 * 4000)
    assert (first.median_ms, first.timed, first.fast) == (4000, 5, 0)
    assert (second.median_ms, second.timed, second.fast) == (550, 4, 3)


def test_the_grid_is_not_timed_and_its_spot_checks_are_compared(database: Database) -> None:
    scene = make_scene(database, images=9, spot_check_share=0.0)
    pool = scene.pool()
    ask(scene, kind=["confirm"] * 2, predicted=[0, 0], group=["g", "g"])
    ana, bob = scene.person("ana"), scene.person("bob")
    answer_all(scene, ana, "cc", mode="grid", latency_ms=5)
    found = quality.votes(database, scene.ada, scene.id)
    assert found.modes.tolist() == ["grid", "grid"]
    assert (record(scene, "ana").timed, record(scene, "ana").shown_total) == (0, 0)
    copies = {
        "project_id": scene.id, "round_id": 1, "kind": "spot_check", "rank": 9, "reserve": False, "state": "open",
        "slots": 1, "token": 0, "decided": False, "created_at": 1,
    }  # fmt: skip
    turn = database.read(lambda session: session.execute(text("SELECT max(id) FROM rounds")).scalar_one())
    rows = [{**copies, "round_id": turn, "sample_id": item} for item in pool[:2]]
    database.write(lambda session: insert_rows(session, QueryRow, rows))
    answer_all(scene, bob, "cd")
    found_team = quality.team(database, scene.ada, scene.id)
    assert (found_team.spot_total, found_team.spot_differed) == (2, 1)


def test_truths_are_gold_and_what_reviewers_decided(database: Database) -> None:
    scene = make_scene(database, images=9)
    pool = scene.pool()
    ask(scene, score=[1.0, 1.0])
    answer_all(scene, scene.person("ana"), "cd")
    assert quality.truths(database, scene.ada, scene.id) == {}
    review.decide(database, scene.ada, scene.id, new_id(), pool[0], scene.cls("owl"))
    gold = "INSERT INTO gold (project_id, sample_id, class_id, created_by, created_at) VALUES (:p, :s, :c, :u, 1)"
    values = {"p": scene.id, "s": pool[5], "c": scene.cls("dog"), "u": scene.ada.user_id}
    database.write(lambda session: session.execute(text(gold), values))
    assert quality.truths(database, scene.ada, scene.id) == {pool[0]: scene.cls("owl"), pool[5]: scene.cls("dog")}


def test_one_annotator_or_none_is_no_trouble(database: Database) -> None:
    scene = make_scene(database, images=3)
    found = quality.team(database, scene.ada, scene.id)
    assert (list(found.people), found.median_ms, found.fast_below_ms, found.spot_total) == ([], None, 300.0, 0)
    ask(scene, score=[1.0])
    answer_all(scene, scene.person("ana"), "c")
    assert record(scene, "ana").median_ms is None


def test_many_answers_stay_quick(database: Database) -> None:
    images, people = 500, 40
    scene = make_scene(database, images=images)
    actors = [access.simulated_user(database, f"person {number}") for number in range(people)]
    _answer_in_bulk(scene, actors, images)
    started = time.perf_counter()
    found = quality.votes(database, scene.ada, scene.id)
    team = quality.team(database, scene.ada, scene.id)
    waiting = review.waiting(database, scene.ada, scene.id)
    items = review.next_items(database, scene.ada, scene.id)
    seconds = time.perf_counter() - started
    assert len(found.samples) == images * people
    assert len(team.people) == people
    assert waiting == images
    assert len(items) == 20
    assert seconds < 10, seconds


def _answer_in_bulk(scene: Scene, actors: list[Actor], images: int) -> None:
    """Write the rows that so many answers leave; one by one they would take minutes."""
    generator = np.random.default_rng(0)
    turn = begin_round(scene.database, scene.system, scene.id)
    assert isinstance(turn, Round)
    pool = scene.pool()[:images]
    base = {"project_id": scene.id, "round_id": turn.id, "kind": "learn", "reserve": False, "state": "closed"}
    base |= {"slots": len(actors), "token": 0, "decided": False, "created_at": 1, "predicted": 0}
    rows = [{**base, "sample_id": item, "rank": rank} for rank, item in enumerate(pool)]
    scene.database.write(lambda session: insert_rows(session, QueryRow, rows))
    made = scene.database.read(
        lambda session: dict(session.execute(text("SELECT sample_id, id FROM queries")).tuples().all())
    )
    classes = [entry.id for entry in scene.project.classes]
    for place, actor in enumerate(actors):
        claims = [
            {"query_id": made[item], "slots": len(actors), "slot": place, "user_id": actor.user_id, "token": place + 1,
             "state": "done", "claimed_at": 1, "expires_at": 1}
            for item in pool
        ]  # fmt: skip
        scene.database.write(lambda session, claims=claims: insert_rows(session, ClaimRow, claims))
        held = f"SELECT query_id, id FROM claims WHERE user_id = {actor.user_id}"
        by_query = scene.database.read(lambda session, held=held: dict(session.execute(text(held)).tuples().all()))
        notes = [
            {"project_id": scene.id, "query_id": made[item], "sample_id": item, "user_id": actor.user_id,
             "claim_id": by_query[made[item]], "answer_id": f"{place}-{item}", "outcome": "class",
             "class_id": int(generator.choice(classes)), "note": "", "latency_ms": 1000, "prediction_shown": False,
             "mode": "single", "client_version": "", "created_at": 1000 * rank}
            for rank, item in enumerate(pool)
        ]  # fmt: skip
        scene.database.write(lambda session, notes=notes: insert_rows(session, AnnotationRow, notes))


def test_reading_takes_a_reviewer(database: Database) -> None:
    scene = make_scene(database, images=3)
    user = access.add_user(database, scene.ada, "vi")
    access.add_member(database, scene.ada, scene.id, user.id, access.Role.annotator)
    actor = Actor(user_id=user.id, name="vi", role=None)
    for read in (quality.votes, quality.team, quality.truths, review.waiting, review.next_items, review.ties):
        with pytest.raises(access.PermissionDenied):
            read(database, actor, scene.id)
