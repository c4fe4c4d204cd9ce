"""What other processes do in tests. Imports little, because every one of them pays for it."""

from __future__ import annotations

import atexit
import functools
import multiprocessing
import os
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from db import access, annotations, claims, deliveries, grid, rounds, schedules
from db.engine import Database
from db.records import Answer, DueSlot, NewQuery, NewQueue, Round
from db.tables import ProjectRow

CREW = 4
_START: Any = None  # in a child: the barrier that all start from


@functools.cache
def _crew() -> Any:
    """Four processes of their own interpreter each, started once: a start costs more than most races."""
    context = multiprocessing.get_context("spawn")
    pool = context.Pool(CREW, initializer=_enlist, initargs=(context.Barrier(CREW),))
    atexit.register(pool.terminate)
    return pool


def _enlist(barrier: Any) -> None:
    global _START
    _START = barrier


def together(work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Run `work` in four real processes that start at the same moment; returns their results.

    Raises:
        Exception: what any of them raised.
    """
    assert len(arguments) == CREW
    tasks = [_crew().apply_async(_run, (work, given)) for given in arguments]
    return [task.get(timeout=120) for task in tasks]


def _run(work: Callable[..., Any], given: tuple[Any, ...]) -> Any:
    _START.wait(100)
    return work(*given)


def open_store(url: str | None, home: Path) -> int:
    with Database.open(url, home=home) as database:
        return int(database.read(lambda session: session.execute(text("SELECT count(*) FROM users")).scalar_one()))


def add_up(url: str | None, home: Path, times: int) -> int:
    """Read a number, then write it plus one, in one unit of work."""
    with Database.open(url, home=home, migrate=False) as database:

        def work(session: Any) -> None:
            seed = session.execute(select(ProjectRow.seed).with_for_update()).scalar_one()
            session.execute(text("UPDATE projects SET seed = :seed"), {"seed": seed + 1})

        for _ in range(times):
            database.write(work)
    return times


def claim_all(url: str | None, home: Path, project_id: int, name: str) -> list[int]:
    """Claim until nothing is left."""
    with Database.open(url, home=home, migrate=False) as database:
        actor = access.local_user(database, name)
        got: list[int] = []
        while fresh := [
            query.query_id
            for query in claims.claim(database, actor, project_id, len(got) + 3)
            if query.query_id not in got
        ]:
            got += fresh
        return got


def submit_all(url: str | None, home: Path, project_id: int, name: str, answers: list[Answer]) -> list[bool]:
    """Submit the same answers as the others; returns which were repeats."""
    with Database.open(url, home=home, migrate=False) as database:
        actor = access.local_user(database, name)
        return [annotations.submit(database, actor, project_id, answer).repeated for answer in answers]


def answer_all(url: str | None, home: Path, project_id: int, name: str, classes: list[int]) -> int:
    """Claim and answer until nothing is left; returns answers that were saved as such."""
    with Database.open(url, home=home, migrate=False) as database:
        actor = access.local_user(database, name)
        saved = 0
        while held := claims.claim(database, actor, project_id, 4):
            for query in held:
                answer = _answer(query.query_id, query.token, classes[query.query_id % len(classes)])
                saved += annotations.submit(database, actor, project_id, answer).status == "saved"
        return saved


def ask(url: str | None, home: Path, project_id: int, ids: list[int]) -> int:
    """Begin the round and ask `ids`, whatever others do."""
    with Database.open(url, home=home, migrate=False) as database:
        system = access.system_actor(database)
        turn = rounds.begin_round(database, system, project_id)
        assert isinstance(turn, Round)
        queries = [NewQuery(sample_id=item, rank=rank) for rank, item in enumerate(ids)]
        return rounds.enqueue(database, system, turn.id, NewQueue(queries=queries, strategy="test")).id


def answer_until_killed(
    url: str | None, home: Path, project_id: int, classes: list[int], acks: Path, seed: int
) -> None:
    """Answer, undo now and then, and write each id to a file only after it was acknowledged."""
    choose = random.Random(seed)
    database = Database.open(url, home=home, migrate=False)
    actor = access.local_user(database, f"worker {seed % 2}")
    with acks.open("a") as file:
        while True:
            for query in claims.claim(database, actor, project_id, 2):
                answer = _answer(query.query_id, query.token, choose.choice(classes))
                annotations.submit(database, actor, project_id, answer)
                _acknowledge(file, answer.answer_id)
                if choose.random() < 0.2:
                    undo_id = str(uuid.uuid4())
                    annotations.undo(database, actor, project_id, undo_id, answer.answer_id)
                    _acknowledge(file, undo_id)


def _acknowledge(file: Any, answer_id: str) -> None:
    os.write(file.fileno(), f"{answer_id}\n".encode())


def _answer(query_id: int, token: int, class_id: int) -> Answer:
    return Answer(answer_id=str(uuid.uuid4()), query_id=query_id, token=token, outcome="class", class_id=class_id)


def claim_groups(url: str | None, home: Path, project_id: int, name: str) -> int:
    """Claim groups of tiles until nothing is left; returns how many tiles."""
    with Database.open(url, home=home, migrate=False) as database:
        actor = access.local_user(database, name)
        got: list[int] = []
        while (group := grid.claim_group(database, actor, project_id, 7, besides=got)) is not None:
            got += [query.query_id for query in group.queries]
        return len(got)


def judge_tiles(url: str | None, home: Path, project_id: int, name: str, classes: list[int]) -> None:
    """Confirm most tiles and mark some as wrong, then answer singly what comes, until nothing is left."""
    with Database.open(url, home=home, migrate=False) as database:
        actor = access.local_user(database, name)
        while (group := grid.claim_group(database, actor, project_id, 5)) is not None:
            for query in group.queries:
                wrong = query.sample_id % 4 == 0
                answer = _answer(query.query_id, query.token, group.class_id)
                changes = {"outcome": "skip", "class_id": None} if wrong else {}
                annotations.submit(database, actor, project_id, replace(answer, mode="grid", **changes))
    answer_all(url, home, project_id, name, classes)


def relay_all(url: str | None, home: Path) -> list[int]:
    """Spread messages and note them as delivered until nothing is left; returns the ids of the deliveries."""
    with Database.open(url, home=home, migrate=False) as database:
        done: list[int] = []
        while True:
            spread = deliveries.spread(database)
            parcels = deliveries.lease(database)
            if not spread and not parcels:
                return done
            for parcel in parcels:
                deliveries.finish(database, parcel, 200, "")
                done.append(parcel.delivery_id)


def take_slots(url: str | None, home: Path, found: list[DueSlot]) -> list[int]:
    """Take moments of schedules; returns the ids of the schedules whose moment this process got."""
    with Database.open(url, home=home, migrate=False) as database:
        return [slot.schedule_id for slot in found if schedules.take(database, slot)]
