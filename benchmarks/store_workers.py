"""What the processes of `labeling_store` do: honest annotators first, then writers that look first and write later.

Imports little, because every process pays for it.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import IntegrityError

from db import access, annotations, claims, projects, rounds, samples
from db.engine import Database
from db.records import Answer, NewFile, NewQuery, NewQueue, NewSample, NewShard, Project, ProjectSpec, Round
from db.tables import AnnotationEventRow, AnnotationRow, ClaimRow, LabelTableRow, QueryRow

OVERLAP, WINDOW, REPEAT_EVERY = 2, 20, 20
CLASSES = ("cat", "dog", "owl")
_FAR = 2**52  # ms since the epoch: these leases do not end


@dataclass(frozen=True)
class Task:
    """What a process needs: where the store is, its number among how many, and the two projects."""

    url: str | None
    home: Path
    rank: int
    processes: int
    project_id: int
    careless_id: int


@dataclass
class Done:
    """What a process did: seconds within calls alone, and the ids that the store said were saved."""

    claims: int = 0
    claim_seconds: float = 0.0
    submits: int = 0
    submit_seconds: float = 0.0
    saved: list[str] = field(default_factory=list)
    repeats: int = 0
    refused: dict[str, int] = field(default_factory=dict)


def make_project(database: Database, name: str, count: int, overlap: int = OVERLAP) -> Project:
    """Make a project whose round asks `count` images, each of `overlap` people; no image is ever opened."""
    actor = access.system_actor(database)
    spec = ProjectSpec(name=name, classes=CLASSES, batch_size=count, reserve_size=0, overlap=overlap, holdout_size=0)
    project = projects.create_project(database, actor, spec)
    shard = NewShard(pixels=_file(f"{name}.npy"), display=_file(f"{name}.pack"))
    found = [_sample(name, row) for row in range(count)]
    samples.register_shard(database, actor, project.id, shard, found, "ignore")
    turn = rounds.begin_round(database, actor, project.id)
    if not isinstance(turn, Round):
        raise TypeError(f"expected a round, got {turn!r}")
    ids = samples.pool_index(database, project.id, labeled=False).ids
    queries = [NewQuery(sample_id=int(sample), rank=rank) for rank, sample in enumerate(ids)]
    rounds.enqueue(database, actor, turn.id, NewQueue(queries=queries, strategy="benchmark"))
    return project


def _file(path: str) -> NewFile:
    return NewFile(path=path, sha256=hashlib.sha256(path.encode()).hexdigest(), size=1)


def _sample(name: str, row: int) -> NewSample:
    sha256 = hashlib.sha256(f"{name}-{row}".encode()).hexdigest()
    return NewSample(
        sha256=sha256,
        name=f"{row}.png",
        row=row,
        media_type="image/png",
        display_offset=row,
        display_length=1,
        width=8,
        height=8,
    )


def run_all(tasks: list[Task]) -> tuple[float, list[Done]]:
    """Run the tasks in processes that start at the same moment; returns the seconds of the annotators and the results.

    Raises:
        RuntimeError: a process failed.
    """
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(len(tasks)), context.Queue()
    crew = [context.Process(target=_work, args=(task, barrier, queue)) for task in tasks]
    for process in crew:
        process.start()
    results = [queue.get(timeout=3600) for _ in crew]
    for process in crew:
        process.join()
    if failed := [result for result in results if isinstance(result, str)]:
        raise RuntimeError(failed[0])
    return max(seconds for seconds, _ in results), [done for _, done in results]


def _work(task: Task, barrier: Any, queue: Any) -> None:
    try:
        with Database.open(task.url, home=task.home, migrate=False) as database:
            done = Done()
            barrier.wait(600)
            start = time.perf_counter()
            annotate(database, task, done)
            seconds = time.perf_counter() - start
            barrier.wait(3600)
            be_careless(database, task, barrier, done)
        queue.put((seconds, done))
    except BaseException as error:
        barrier.abort()
        queue.put(f"process {task.rank}: {type(error).__name__}: {error}")
        raise


def annotate(database: Database, task: Task, done: Done) -> None:
    """Claim a window and answer it until nothing is left, through the product's own functions."""
    actor = access.local_user(database, f"annotator {task.rank}")
    project = projects.get_project(database, actor, task.project_id)
    while True:
        start = time.perf_counter()
        held = claims.claim(database, actor, project.id, WINDOW)
        done.claim_seconds += time.perf_counter() - start
        if not held:
            if not claims.waiting(database, actor, project.id).open:
                return
            time.sleep(0.01)  # another process had them locked just then, and PostgreSQL skips those
        done.claims += len(held)
        for query in held:
            class_id = project.classes[query.query_id % len(project.classes)].id
            answer = Answer(
                answer_id=str(uuid.uuid4()),
                query_id=query.query_id,
                token=query.token,
                outcome="class",
                class_id=class_id,
            )
            for _ in range(1 + (done.submits % REPEAT_EVERY == 0)):
                start = time.perf_counter()
                receipt = annotations.submit(database, actor, project.id, answer)
                done.submit_seconds += time.perf_counter() - start
                done.repeats += receipt.repeated
            done.submits += 1
            if receipt.status == "saved":
                done.saved.append(answer.answer_id)


@dataclass(frozen=True)
class Place:
    """Where a careless writer writes: one query with its sample, a claim to refer to, and everybody's user ids."""

    project_id: int
    query_id: int
    sample_id: int
    claim_id: int
    class_ids: list[int]
    users: list[int]


Row = tuple[type, dict[str, Any]]


def _claim(place: Place, **values: Any) -> Row:
    base = {"query_id": place.query_id, "slots": OVERLAP, "slot": 0, "state": "leased", "claimed_at": 1}
    return ClaimRow, {**base, "expires_at": _FAR, **values}


def _annotation(place: Place, **values: Any) -> Row:
    base = {"project_id": place.project_id, "query_id": place.query_id, "sample_id": place.sample_id, "note": ""}
    more = {"claim_id": place.claim_id, "outcome": "skip", "prediction_shown": False, "mode": "single"}
    return AnnotationRow, {**base, **more, "client_version": "", "created_at": 1, **values}


def _event(place: Place, **values: Any) -> Row:
    base = {"project_id": place.project_id, "query_id": place.query_id, "sample_id": place.sample_id, "kind": "draft"}
    more = {"counts": False, "digest": "", "payload": {}, "receipt": {}, "created_at": 1}
    return AnnotationEventRow, {**base, **more, **values}


def _label(place: Place, **values: Any) -> Row:
    base = {"project_id": place.project_id, "sample_id": place.sample_id, "origin": "consensus", "votes": 1}
    return LabelTableRow, {**base, "updated_at": 1, **values}


def _same_id(place: Place) -> str:
    return str(uuid.UUID(int=place.query_id))


# Each index with what a careless writer of a number writes; all writers write at once, so one may get through.
INDEXES: Mapping[str, Callable[[Place, int], Row]] = {
    "uq_claims_active_slot": lambda place, rank: _claim(place, user_id=place.users[rank], token=1 + rank),
    "uq_claims_active_user": lambda place, rank: _claim(
        place, user_id=place.users[0], slot=rank % OVERLAP, token=1 + rank
    ),
    "uq_claims_query_id_token": lambda place, rank: _claim(place, user_id=place.users[rank], token=1, state="released"),
    "uq_annotation_events_answer_id": lambda place, rank: _event(
        place, user_id=place.users[rank], answer_id=_same_id(place)
    ),
    "uq_annotations_answer_id": lambda place, rank: _annotation(
        place, user_id=place.users[rank], answer_id=_same_id(place), withdrawn_at=2
    ),
    "uq_annotations_standing": lambda place, rank: _annotation(
        place, user_id=place.users[0], answer_id=str(uuid.uuid4())
    ),
    "uq_labels_sample_id": lambda place, rank: _label(place, class_id=place.class_ids[rank % len(CLASSES)]),
}


def be_careless(database: Database, task: Task, barrier: Any, done: Done) -> None:
    """For each index: look, wait until all have looked, then write what only the index can refuse."""
    places = careless_places(database, task.careless_id)
    share = len(places) // len(INDEXES)
    for number, (name, row) in enumerate(INDEXES.items()):
        for place in places[number * share : (number + 1) * share]:
            table, values = row(place, task.rank)
            with database.engine.connect() as connection:
                connection.execute(select(table.__table__.c.id).limit(1)).all()
            barrier.wait(600)
            done.refused[name] = done.refused.get(name, 0) + _refused(database, table, values)
            barrier.wait(600)


def _refused(database: Database, table: type, values: dict[str, Any]) -> bool:
    try:
        with database.engine.begin() as connection:
            connection.execute(insert(table), [values])
    except IntegrityError:
        return True
    return False


def careless_places(database: Database, project_id: int) -> list[Place]:
    """Return the places that the careless writers share, alike in every process."""

    def read(connection: Connection) -> list[Place]:
        users = "SELECT id FROM users WHERE name LIKE 'annotator %' ORDER BY name"
        classes = "SELECT id FROM classes WHERE project_id = :project ORDER BY position"
        found = (
            select(QueryRow.id, QueryRow.sample_id, ClaimRow.id)
            .join(ClaimRow, ClaimRow.query_id == QueryRow.id)
            .where(QueryRow.project_id == project_id, ClaimRow.token == 0)
            .order_by(QueryRow.id)
        )
        user_ids = list(connection.execute(text(users)).scalars())
        class_ids = list(connection.execute(text(classes), {"project": project_id}).scalars())
        return [Place(project_id, *row, class_ids, user_ids) for row in connection.execute(found).tuples()]

    with database.engine.connect() as connection:
        return read(connection)
