"""Small scenes for tests of the store: a project with images, a round, answers."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select, text, update

from db import access, annotations, claims, projects, rounds, samples
from db.engine import Database
from db.records import (
    Actor,
    Answer,
    ClaimedQuery,
    NewFile,
    NewQuery,
    NewQueue,
    NewSample,
    NewShard,
    Project,
    Receipt,
    Round,
)
from db.tables import AnnotationEventRow, ClaimRow, LabelTableRow, OutboxRow

CLASSES = ("cat", "dog", "owl")


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def new_file(path: str) -> NewFile:
    """A file that is only spoken of."""
    return NewFile(path=path, sha256=sha(path), size=1)


def written_file(home: Path, path: str) -> NewFile:
    """A file that is on disk, too."""
    (home / path).write_text(path)
    return NewFile(path=path, sha256=sha(path), size=len(path))


def new_shard(name: str) -> NewShard:
    return NewShard(pixels=new_file(f"{name}.npy"), display=new_file(f"{name}.pack"))


def new_samples(prefix: str, count: int, *, split: str = "pool", known: str | None = None) -> list[NewSample]:
    return [
        NewSample(
            sha256=sha(f"{prefix}{number}"),
            name=f"{prefix}{number}.png",
            row=number,
            width=8,
            height=8,
            display_offset=10 * number,
            display_length=10,
            media_type="image/png",
            split=split,
            known_class=known,
        )
        for number in range(count)
    ]


@dataclass
class Scene:
    """A project with a pool, seen by its administrator 'ada'."""

    database: Database
    system: Actor
    ada: Actor
    project: Project

    @property
    def id(self) -> int:
        return self.project.id

    def cls(self, name: str = "cat") -> int:
        return next(entry.id for entry in self.project.classes if entry.name == name)

    def person(self, name: str) -> Actor:
        return access.local_user(self.database, name)

    def pool(self) -> list[int]:
        return [int(item) for item in samples.pool_index(self.database, self.id, labeled=False).ids]

    def ask(self, count: int = 3, reserve: int = 0, *, slots: int | None = None, kind: str = "learn") -> Round:
        """Begin a round that asks the first images of the pool."""
        turn = rounds.begin_round(self.database, self.system, self.id)
        assert isinstance(turn, Round)
        queries = [
            NewQuery(sample_id=item, rank=rank, kind=kind, reserve=rank >= count, slots=slots, score=float(rank))
            for rank, item in enumerate(self.pool()[: count + reserve])
        ]
        return rounds.enqueue(self.database, self.system, turn.id, NewQueue(queries=queries, strategy="test"))

    def claim(self, actor: Actor, count: int = 1, lease: int = 120) -> list[ClaimedQuery]:
        return claims.claim(self.database, actor, self.id, count, lease)

    def answer(self, query: ClaimedQuery, name: str | None = "cat", **more: object) -> Answer:
        outcome = "class" if name in CLASSES else str(name)
        fields = {
            "answer_id": str(uuid.uuid4()),
            "outcome": outcome,
            "class_id": self.cls(str(name)) if name in CLASSES else None,
        }
        return Answer(**{**fields, "query_id": query.query_id, "token": query.token, **more})

    def submit(self, actor: Actor, query: ClaimedQuery, name: str | None = "cat", **more: object) -> Receipt:
        return annotations.submit(self.database, actor, self.id, self.answer(query, name, **more))

    def labels(self) -> dict[int, int]:
        def work(session: object) -> dict[int, int]:
            return dict(session.execute(select(LabelTableRow.sample_id, LabelTableRow.class_id)).tuples().all())

        return self.database.read(work)

    def age_claims(self) -> None:
        """Let every lease be over by the database's own clock."""
        self.database.write(lambda session: session.execute(update(ClaimRow).values(expires_at=1)))

    def events(self) -> int:
        return self.database.read(lambda session: len(session.scalars(select(AnnotationEventRow.id)).all()))


def make_scene(database: Database, images: int = 30, name: str = "zoo", **settings: object) -> Scene:
    system, ada = access.system_actor(database), access.local_user(database, "ada")
    settings = {"holdout_size": 0, "batch_size": 3, **settings}
    spec = projects.ProjectSpec(name=name, classes=CLASSES, **settings)
    project = projects.create_project(database, ada, spec)
    if images:
        samples.register_shard(database, ada, project.id, new_shard(name), new_samples(name, images), "use")
    return Scene(database, system, ada, project)


def scalar(database: Database, statement: str) -> int:
    return int(database.read(lambda session: session.execute(text(statement)).scalar_one()))


def messages(database: Database) -> list[OutboxRow]:
    """What was left in the outbox and not sent yet."""
    waiting = select(OutboxRow).where(OutboxRow.sent_at.is_(None)).order_by(OutboxRow.id)
    return list(database.read(lambda session: session.scalars(waiting).all()))


def as_gold(scene: Scene, query_id: int, expected: int) -> None:
    """Make a claimed query one of gold, as `db.gold` makes them when it hands them out."""
    change = text("UPDATE queries SET kind = 'gold', expected = :expected WHERE id = :id")
    scene.database.write(lambda session: session.execute(change, {"expected": expected, "id": query_id}))
