"""Images with votes that disagree, and what a reviewer does about them."""

from __future__ import annotations

import uuid

from sqlalchemy import select, text

from db import labels, review
from db.engine import Database
from db.records import Actor, ClaimedQuery, Decision
from db.tables import QueryRow
from tests.db.scenes import Scene, make_scene


def new_id() -> str:
    return str(uuid.uuid4())


def vote(scene: Scene, actor: Actor, **answers: str) -> dict[str, ClaimedQuery]:
    """Let somebody answer the open images by place: a=..., b=..., c=... is the first, second, third of the pool."""
    held = {query.rank: query for query in scene.claim(actor, 20)}
    done = {}
    for place, name in answers.items():
        query = held[ord(place) - ord("a")]
        scene.submit(actor, query, name, latency_ms=1000, note="look" if name == "flag" else "")
        done[place] = query
    return done


def contested(database: Database, **settings: object) -> tuple[Scene, list[int]]:
    """Four images: a tie, an agreement, one flagged and one that nobody was sure of."""
    scene = make_scene(database, images=8, overlap=2, **settings)
    pool = scene.pool()
    scene.ask(4)
    vote(scene, scene.person("ana"), a="cat", b="cat", c="flag", d="unsure")
    vote(scene, scene.person("bob"), a="dog", b="cat", c="cat", d="unsure")
    return scene, pool


def decide(scene: Scene, item: int, name: str | None, **more: object) -> Decision:
    class_id = None if name is None else scene.cls(name)
    actor = more.pop("actor", scene.ada)
    decision_id = more.pop("decision_id", new_id())
    return review.decide(scene.database, actor, scene.id, decision_id, item, class_id, **more)


def queue(scene: Scene, **more: object) -> list[int]:
    return [item.sample_id for item in review.next_items(scene.database, scene.ada, scene.id, **more)]


def set_state(scene: Scene, item: int, state: str) -> None:
    statement = text("UPDATE queries SET state = :state WHERE sample_id = :item")
    scene.database.write(lambda session: session.execute(statement, {"state": state, "item": item}))


def state_of(scene: Scene, item: int) -> list[tuple[str, str]]:
    statement = select(QueryRow.kind, QueryRow.state).where(QueryRow.sample_id == item).order_by(QueryRow.id)
    return scene.database.read(lambda session: list(session.execute(statement).tuples()))


def rebuilt(scene: Scene) -> bool:
    return labels.rebuild(scene.database) == scene.labels()
