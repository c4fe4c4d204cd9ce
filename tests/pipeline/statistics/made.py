"""Made-up runs with known differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pipeline.statistics import Curve

LABELS = (20, 40, 60, 80)


def run(arm: str, seed: int, accuracy: Sequence[float], labels: Sequence[int] | None = None, **more: Any) -> Curve:
    return Curve(arm=arm, seed=seed, labels=labels or LABELS[: len(accuracy)], accuracy=accuracy, **more)


def runs(arm: str, bonus: float, seeds: Iterable[int], *, noise: float = 0.004, **more: Any) -> list[Curve]:
    """Return curves that rise from 0.5 to 0.8 plus a bonus, with a shift that a seed's runs share, and own noise."""
    made = []
    for seed in seeds:
        shared = np.random.default_rng(seed).normal(0, 0.02)
        own = np.random.default_rng([seed, *arm.encode()]).normal(0, noise, len(LABELS))
        accuracy = np.array([0.5, 0.65, 0.75, 0.8]) + bonus + shared + own
        made.append(run(arm, seed, accuracy.tolist(), **more))
    return made
