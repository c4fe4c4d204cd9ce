"""Races between real processes: what a one-threaded test cannot see, and a missing unique index lets through."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

from sqlalchemy import select, text

from db import labels
from db.engine import Database
from db.tables import AnnotationEventRow, AnnotationRow, ClaimRow, QueryRow
from tests.database_fixtures import Place
from tests.db import children
from tests.db.children import together
from tests.db.scenes import make_scene, scalar

KILLS = 10


def test_read_modify_write_loses_no_update(place: Place) -> None:
    with place.open() as database:
        make_scene(database, images=0)
        assert together(children.add_up, [(place.url, place.home, 25)] * 4) == [25] * 4
        assert scalar(database, "SELECT seed FROM projects") == 100


def test_no_query_is_over_assigned_and_none_is_left(place: Place) -> None:
    with place.open() as database:
        scene = make_scene(database, images=80)
        scene.ask(60, slots=2)
        names = ("ada", "bob", "eve", "eve")  # eve has two windows open
        together(children.claim_all, [(place.url, place.home, scene.id, name) for name in names])
        leased = select(ClaimRow.query_id, ClaimRow.user_id).where(ClaimRow.state == "leased")
        rows = database.read(lambda session: session.execute(leased).tuples().all())
    people = Counter(query for query, _ in rows)
    assert len(people) == 60
    assert set(people.values()) == {2}
    assert len(set(rows)) == len(rows)  # nobody twice on one query


def test_the_same_answer_from_four_places_has_one_effect(place: Place) -> None:
    with place.open() as database:
        scene = make_scene(database)
        scene.ask(10)
        answers = [scene.answer(query) for query in scene.claim(scene.ada, 10)]
        repeats = together(children.submit_all, [(place.url, place.home, scene.id, "ada", answers)] * 4)
        assert [sum(not repeat for repeat in column) for column in zip(*repeats, strict=True)] == [1] * 10
        assert scene.events() == 10
        assert len(scene.labels()) == 10
        rung = "SELECT count(*) FROM outbox WHERE topic = 'round_complete'"
        assert scalar(database, rung) == 1


def test_votes_of_four_people_give_every_label_once(place: Place) -> None:
    with place.open() as database:
        scene = make_scene(database)
        scene.ask(24, slots=2)
        classes = [entry.id for entry in scene.project.classes]
        arguments = [(place.url, place.home, scene.id, name, classes) for name in ("ada", "bob", "eve", "joe")]
        assert sum(together(children.answer_all, arguments)) == 48
        assert scalar(database, "SELECT count(*) FROM queries WHERE state = 'closed'") == 24
        assert len(scene.labels()) == 24
        assert labels.rebuild(database) == scene.labels()


def test_a_round_begun_by_four_flows_asks_once(place: Place) -> None:
    with place.open() as database:
        scene = make_scene(database)
        pool = scene.pool()
        chosen = [pool[start : start + 5] for start in (0, 3, 6, 9)]
        ids = together(children.ask, [(place.url, place.home, scene.id, part) for part in chosen])
        assert len(set(ids)) == 1
        asked = database.read(lambda session: session.scalars(select(QueryRow.sample_id).order_by(QueryRow.rank)).all())
        assert list(asked) in chosen


def test_killed_at_any_moment_nothing_acknowledged_is_lost(place: Place, tmp_path: Path) -> None:
    acks = tmp_path / "acks"
    choose = random.Random(0)
    with place.open() as database:
        scene = make_scene(database, images=1500)
        scene.ask(1500)
        classes = [entry.id for entry in scene.project.classes]
        fork = multiprocessing.get_context("fork")
        for number in range(KILLS):
            before = acks.stat().st_size if acks.exists() else 0
            child = fork.Process(
                target=children.answer_until_killed, args=(place.url, place.home, scene.id, classes, acks, number)
            )
            child.start()
            while child.is_alive() and (not acks.exists() or acks.stat().st_size == before):
                time.sleep(0.01)
            time.sleep(choose.uniform(0.0, 0.15))
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
            child.join()
            assert child.exitcode == -signal.SIGKILL
        _check_after_kills(database, set(acks.read_text().split()))
        assert labels.rebuild(database) == scene.labels()


def _check_after_kills(database: Database, acknowledged: set[str]) -> None:
    def ids(column: object) -> set[str]:
        return set(database.read(lambda session: session.scalars(select(column)).all()))

    assert len(acknowledged) > KILLS
    assert acknowledged <= ids(AnnotationEventRow.answer_id)
    assert ids(AnnotationRow.answer_id) <= ids(AnnotationEventRow.answer_id)
    assert scalar(database, "SELECT count(*) FROM annotation_events WHERE kind = 'answer'") == len(
        ids(AnnotationRow.answer_id)
    )
    if database.dialect == "sqlite":
        assert database.read(lambda session: session.execute(text("PRAGMA integrity_check")).scalar_one()) == "ok"
