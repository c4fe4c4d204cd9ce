"""A small comparison: two arms, two seeds, three points each."""

from __future__ import annotations

from sqlalchemy import text

from db import comparisons
from db.records import Comparison, ComparisonPoint, NewComparison
from tests.db.scenes import Scene

ARMS = ("dfal", "random_sampling")
SEEDS = (0, 1)


def new_comparison(**changes: object) -> NewComparison:
    fields: dict[str, object] = {
        "name": "digits: 2 strategies",
        "key": "0" * 64,
        "settings": {"strategies": list(ARMS), "seeds": list(SEEDS)},
        "runs": tuple((arm, seed) for arm in ARMS for seed in SEEDS),
        "points_wanted": 12,
    }
    return NewComparison(**{**fields, **changes})


def compared(scene: Scene, **changes: object) -> Comparison:
    """Find or make the comparison of a scene, whose project becomes a simulation."""
    change = text("UPDATE projects SET kind = 'simulation' WHERE id = :id")
    scene.database.write(lambda session: session.execute(change, {"id": scene.id}))
    return comparisons.start_or_find(scene.database, scene.system, scene.id, new_comparison(**changes))


def first_run(scene: Scene) -> int:
    return comparisons.runs(scene.database, scene.system, compared(scene).id)[0].id


def point(labels: int, **changes: object) -> ComparisonPoint:
    fields: dict[str, object] = {
        "labels": labels,
        "accuracy": 0.5 + labels / 1000,
        "balanced_accuracy": 1 / 3,
        "class_recall": (0.25, None, 1.0),
        "class_labels": (labels, 0, 0),
        "queried": (3, 1, 2),
        "query_seconds": 0.1,
        "train_seconds": 2.5,
        "figures": {"copies": 4},
    }
    return ComparisonPoint(**{**fields, **changes})
