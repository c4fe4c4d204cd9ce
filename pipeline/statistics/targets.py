"""Two ways to read a curve: how good with so many labels, and how many labels to be so good."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.statistics.blocks import Block, accuracies
from pipeline.statistics.curves import Curve
from pipeline.statistics.intervals import Estimate, t_interval

_ROUND_TARGETS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)


@dataclass(frozen=True, kw_only=True)
class AtBudget:
    """Accuracy at a number of labels.

    Attributes:
        labels: The budget.
        accuracy: Of the newest model that it paid for, over the seeds.
    """

    labels: int
    accuracy: Estimate


@dataclass(frozen=True, kw_only=True)
class ToTarget:
    """Labels that it took to reach an accuracy. A seed that never did is counted, never dropped.

    Attributes:
        target: The accuracy.
        seeds: How many runs there are.
        reached: How many reached it.
        median: Labels, where more than half of all runs reached it: those that did not took more than any that did.
        fewest: Of the runs that reached it; None if none did.
        most: Of the runs that reached it.
        unfinished: Runs that did not reach it, but had not used all labels either.
    """

    target: float
    seeds: int
    reached: int
    median: float | None
    fewest: float | None
    most: float | None
    unfinished: int


def accuracy_at(curve: Curve, budget: int) -> float | None:
    """Return the accuracy of the newest model that so many labels pay for; None where the curve says nothing.

    >>> accuracy_at(Curve(arm="a", seed=0, labels=[10, 20], accuracy=[0.5, 0.7]), 15)
    0.5
    """
    if not curve.labels[0] <= budget <= curve.labels[-1]:
        return None
    return curve.accuracy[int(np.searchsorted(curve.labels, budget, side="right")) - 1]


def labels_to(curve: Curve, target: float) -> float | None:
    """Return where the curve first crosses an accuracy, on a straight line between points; None if it never does.

    A curve that starts above it needed at most its first labels, which are returned.

    >>> labels_to(Curve(arm="a", seed=0, labels=[10, 20], accuracy=[0.5, 0.7]), 0.6)
    15.0
    """
    above = np.flatnonzero(np.asarray(curve.accuracy) >= target)
    if not len(above):
        return None
    end = int(above[0])
    if end == 0:
        return float(curve.labels[0])
    (x0, x1), (y0, y1) = curve.labels[end - 1 : end + 1], curve.accuracy[end - 1 : end + 1]
    return float(x0 + (target - y0) / (y1 - y0) * (x1 - x0))


def at_budget(curves: Sequence[Curve], budget: int, confidence: float) -> AtBudget | None:
    """Return accuracy at a budget over all runs that got there; None if none did."""
    found = [value for curve in curves if (value := accuracy_at(curve, budget)) is not None]
    return AtBudget(labels=budget, accuracy=t_interval(found, confidence, within=(0, 1))) if found else None


def to_target(curves: Sequence[Curve], target: float, last: int) -> ToTarget:
    """Return how many labels the runs of an arm took to reach a target, of `last` that they were to use."""
    needed = [labels_to(curve, target) for curve in curves]
    reached = sorted(value for value in needed if value is not None)
    ordered = np.array([*reached, *[math.inf] * (len(needed) - len(reached))])
    median = float(np.median(ordered)) if len(reached) > len(needed) / 2 else math.inf
    return ToTarget(
        target=target,
        seeds=len(needed),
        reached=len(reached),
        median=median if math.isfinite(median) else None,
        fewest=reached[0] if reached else None,
        most=reached[-1] if reached else None,
        unfinished=sum(value is None and curve.labels[-1] < last for value, curve in zip(needed, curves, strict=True)),
    )


def default_budgets(labels: Sequence[int]) -> tuple[int, ...]:
    """Return four label counts spread evenly over those that there are, the last among them.

    >>> default_budgets(range(20, 301, 20))
    (80, 160, 240, 300)
    """
    ordered = sorted(labels)
    places = [max(0, math.ceil(len(ordered) * share / 4) - 1) for share in (1, 2, 3, 4)]
    return tuple(dict.fromkeys(ordered[place] for place in places))


def default_targets(curves: Mapping[str, Sequence[Curve]], blocks: Mapping[str, Block]) -> tuple[float, ...]:
    """Return up to three round accuracies, the highest that the mean curve of some arm climbs to after its start."""
    means = [accuracies(curves[arm], block).mean(axis=0) for arm, block in blocks.items()]
    if not means:
        return ()
    start, best = min(float(mean[0]) for mean in means), max(float(mean.max()) for mean in means)
    return tuple(target for target in _ROUND_TARGETS if start < target <= best)[-3:]
