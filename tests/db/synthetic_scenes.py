"""Generated images in the store: what is shown, what trains, and who decides."""

from __future__ import annotations

import uuid

from db import access, synthetic
from db.engine import Database
from db.records import Actor, Role, SyntheticEvent, SyntheticSample
from tests.db.scenes import Scene, scalar

TABLES = ("generator_versions", "synthetic_samples", "gate_decisions", "synthetic_events")


def sizes(database: Database) -> list[int]:
    return [scalar(database, f"SELECT count(*) FROM {table}") for table in TABLES]


def shown(scene: Scene, version_id: int) -> list[SyntheticSample]:
    return synthetic.images(scene.database, scene.ada, scene.id, version_id, scene.cls("owl"))


def training(scene: Scene, **more: int) -> list[tuple[str, int, float]]:
    found = synthetic.for_training(scene.database, scene.system, scene.id, **more)
    return [(entry.path, entry.row, entry.weight) for entry in found]


def judge_class(scene: Scene, version_id: int, verdict: str, **more: object) -> SyntheticEvent:
    return synthetic.judge_class(
        scene.database, scene.ada, scene.id, version_id, scene.cls("owl"), verdict,
        **{"request_id": str(uuid.uuid4()), **more},
    )  # fmt: skip


def judge_images(scene: Scene, ids: list[int], verdict: str, **more: object) -> SyntheticEvent:
    return synthetic.judge_images(
        scene.database, scene.ada, scene.id, ids, verdict, **{"request_id": str(uuid.uuid4()), **more}
    )


def member(scene: Scene, name: str, role: Role) -> Actor:
    found = access.add_user(scene.database, scene.ada, name)
    access.add_member(scene.database, scene.ada, scene.id, found.id, role)
    return Actor(user_id=found.id, name=name, role=role)
