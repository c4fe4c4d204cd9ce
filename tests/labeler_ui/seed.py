"""A small store for the page's tests: real digits as PNGs in a pack, one open round of queries, no torch."""

from __future__ import annotations

import hashlib
import io
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sqlalchemy import text

from db import access, projects, rounds, samples
from db.engine import Database
from db.records import Actor, NewFile, NewQuery, NewQueue, NewSample, NewShard, Project, ProjectSpec

DIGITS = tuple("0123456789")
_unique = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Seeded:
    """A project with an open round; `database` is the same store that the page opens."""

    database: Database
    project: Project
    actor: Actor

    def rows(self, statement: str, **values: object) -> list[dict]:
        """Read with plain SQL, past all of our own code."""
        values = {"project": self.project.id, **values}
        with self.database.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(statement), values).mappings()]

    def answers(self) -> list[dict]:
        """Every answer that stands, in the order of saving."""
        return self.rows(
            "SELECT a.*, u.name AS user_name, c.name AS class_name FROM annotations a JOIN users u ON u.id = a.user_id "
            "LEFT JOIN classes c ON c.id = a.class_id "
            "WHERE a.project_id = :project AND a.withdrawn_at IS NULL ORDER BY a.id"
        )

    def events(self) -> list[dict]:
        """The append-only history."""
        return self.rows("SELECT * FROM annotation_events WHERE project_id = :project ORDER BY id")

    def labels(self) -> int:
        """How many images have a label."""
        return self.rows("SELECT count(*) AS n FROM labels WHERE project_id = :project")[0]["n"]


def digit_images(count: int, seed: int = 0) -> list[np.ndarray]:
    """Return `count` different images, uint8 (28, 28), drawn digits from scikit-learn."""
    from sklearn.datasets import load_digits

    generator = np.random.default_rng(seed)
    drawn = load_digits().images[generator.permutation(1797)[:count]]
    return [np.asarray(Image.fromarray((image * 15.9).astype(np.uint8)).resize((28, 28), 3)) for image in drawn]


def write_shard(home: Path, project: Project, images: list[np.ndarray]) -> tuple[NewShard, list[NewSample]]:
    """Write pixels and a pack of PNGs below `home` and return what registers them."""
    folder = home / "projects" / str(project.id) / "shards"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{next(_unique):06d}"
    pixels, pack, found = io.BytesIO(), io.BytesIO(), []
    np.save(pixels, np.stack(images)[:, None], allow_pickle=False)  # (N, 1, 28, 28)
    for row, image in enumerate(images):
        encoded = io.BytesIO()
        Image.fromarray(image).save(encoded, "PNG")
        found.append(
            NewSample(
                sha256=hashlib.sha256(image.tobytes() + str(project.id).encode()).hexdigest(),
                name=f"digit-{row}.png",
                row=row,
                width=image.shape[1],
                height=image.shape[0],
                display_offset=pack.tell(),
                display_length=len(encoded.getvalue()),
                media_type="image/png",
            )
        )
        pack.write(encoded.getvalue())
    shard = NewShard(
        pixels=_write(home, folder / f"{name}.npy", pixels.getvalue()),
        display=_write(home, folder / f"{name}.pack", pack.getvalue()),
    )
    return shard, found


def _write(home: Path, path: Path, data: bytes) -> NewFile:
    path.write_bytes(data)
    return NewFile(path=path.relative_to(home).as_posix(), sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def seed(
    database: Database,
    *,
    name: str = "",
    classes: tuple[str, ...] = DIGITS,
    images: int = 60,
    k: int = 10,
    reserve: int = 20,
    guidelines: str = "",
    **settings: Any,
) -> Seeded:
    """Create a project with images and one open round of `k` queries and a reserve."""
    actor = access.local_user(database, "seeder")
    spec = ProjectSpec(
        name=name or f"digits-{next(_unique)}",
        classes=classes,
        batch_size=k,
        reserve_size=reserve,
        holdout_size=0,
        guidelines=guidelines,
        **settings,
    )
    project = projects.create_project(database, actor, spec)
    shard, found = write_shard(database.home, project, digit_images(images, seed=project.id))
    samples.register_shard(database, actor, project.id, shard, found, "ignore")
    seeded = Seeded(database=database, project=project, actor=actor)
    next_round(seeded, k=k, reserve=reserve)
    return seeded


def next_round(seeded: Seeded, *, k: int, reserve: int = 0) -> None:
    """Begin the next round and ask `k` images and a reserve, as the flow would."""
    database, actor, project = seeded.database, seeded.actor, seeded.project
    turn = rounds.begin_round(database, actor, project.id)
    ids = samples.pool_index(database, project.id, splits=("pool",), labeled=False).ids[: k + reserve]
    queries = [
        NewQuery(sample_id=int(sample), rank=rank, predicted=0, nearest=1, reserve=rank >= k)
        for rank, sample in enumerate(ids)
    ]
    rounds.enqueue(database, actor, turn.id, NewQueue(queries=queries, strategy="random_sampling()"))
