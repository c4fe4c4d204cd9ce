"""A small store for the grid's tests: groups of real digits to confirm, with a few wrong ones among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from db import access, projects, rounds, samples
from db.engine import Database
from db.records import NewQuery, NewQueue, ProjectSpec
from tests.labeler_ui.seed import DIGITS, Seeded, write_shard


def digits_of(position: int, count: int, wrong: Sequence[int] = (), start: int = 0) -> list[np.ndarray]:
    """Return `count` images of one digit; those at the places `wrong` are of another."""
    found = load_digits()
    right, others = np.flatnonzero(found.target == position), np.flatnonzero(found.target == (position + 4) % 10)
    chosen = [others[start + place] if place in wrong else right[start + place] for place in range(count)]
    return [np.asarray(Image.fromarray((found.images[i] * 15.9).astype(np.uint8)).resize((28, 28), 3)) for i in chosen]


def seed_grid(
    database: Database,
    groups: Sequence[tuple[int, int]] = ((3, 24),),
    *,
    name: str,
    learn: int = 4,
    wrong: Sequence[int] = (),
    classes: tuple[str, ...] = DIGITS,
    spot_check_share: float = 0.0,
) -> Seeded:
    """Create a project with one open round: `learn` single images, then a group for each (class position, images)."""
    actor = access.local_user(database, "seeder")
    settings = {"batch_size": max(1, learn), "reserve_size": 0, "holdout_size": 0, "confirm_share": 1.0}
    settings["spot_check_share"] = spot_check_share
    project = projects.create_project(database, actor, ProjectSpec(name=name, classes=classes, **settings))
    images = digits_of(9, learn, start=60)
    for number, (position, count) in enumerate(groups):
        images += digits_of(position, count, wrong, start=24 * number)
    shard, found = write_shard(database.home, project, images)
    samples.register_shard(database, actor, project.id, shard, found, "ignore")
    turn = rounds.begin_round(database, actor, project.id)
    ids = iter(sorted(int(item) for item in samples.pool_index(database, project.id, labeled=False).ids))
    queries = [NewQuery(sample_id=next(ids), rank=rank, predicted=9) for rank in range(learn)]
    for number, (position, count) in enumerate(groups):
        for _ in range(count):
            asked = {"kind": "confirm", "group": f"group {number}", "predicted": position}
            queries.append(NewQuery(sample_id=next(ids), rank=len(queries), **asked))
    rounds.enqueue(database, actor, turn.id, NewQueue(queries=queries, strategy="entropy()"))
    return Seeded(database=database, project=project, actor=actor)


def held(seeded: Seeded, kind: str) -> int:
    """Return how many queries of a kind somebody has at hand now."""
    statement = (
        "SELECT count(*) AS n FROM claims c JOIN queries q ON q.id = c.query_id "
        "WHERE q.project_id = :project AND q.kind = :kind AND c.state = 'leased'"
    )
    return seeded.rows(statement, kind=kind)[0]["n"]
