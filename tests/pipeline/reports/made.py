"""A small comparison with everything that a report can show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.reports import Asked, AskedRound, Report
from pipeline.statistics import summarize
from pipeline.statistics.charts import MapPoint
from pipeline.statistics.published import MNIST
from tests.pipeline.statistics.made import runs

FIGURES = {
    "balanced_accuracy": [0.5] * 4,
    "class_labels": [[9, 9, k] for k in range(4)],
    "class_recall": [[0.9, None, 0.1 * k] for k in range(4)],
    "query_seconds": [None, 1.0, 1.0, 1.0],
    "train_seconds": [2.0] * 4,
}


def made_report(first: str = "dfal", second: str = "random_sampling", seeds: int = 5, **more: Any) -> Report:
    """Return a report of two arms, the first of them better."""
    curves = [*runs(first, 0.1, range(seeds), **FIGURES), *runs(second, 0.0, range(seeds), **FIGURES)]
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    rounds = [AskedRound(round=turn, labels=20 * (turn + 1), images=images, classes=[first] * 3) for turn in range(2)]
    places = [MapPoint(x=0, y=0, class_name=second), MapPoint(x=1, y=1, class_name=first, arm=first, round=1)]
    command = f"borderline compare {first}"
    report = Report(
        title=f"digits: {first}", summary=summarize(curves), curves=curves, settings={"model": first, "seeds": (0, 1)},
        recipe={"rate": 0.001, "augmentation": {"shift": 2}}, tuning={"tried": second}, tuning_labels=40,
        device=f"CPU {first}", machine="some machine", versions={"torch": "2.11.0"}, command=command,
        made_at="today", class_names=["a", "b", first], asked=[Asked(arm=first, seed=0, rounds=rounds)], places=places,
        published=MNIST, remarks=[f"One thing about {second}."],
    )  # fmt: skip
    return replace(report, **more)
