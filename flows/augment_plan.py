"""Decides for which classes images are made, how many, and whether the last generator still serves; no torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEAST_REAL = 20
"""Real images of a class below which nothing is made (Gupta and Brown, arXiv:2603.16134: harm begins there)."""
MOST_PER_REAL = 2
"""Synthetic images a real one."""
LEAST_MADE = 10
"""Synthetic images of a class: fewer cannot be judged."""
GROWTH_TRAINS = 0.25
"""Labels grew by this share since a generator was trained: it is trained anew. Our choice: with fewer new labels a
generator differs from itself more by its seed than by them."""
GROWTH_JUDGES = 0.10
"""Labels grew by this share since its images were judged: it makes new ones, which are judged anew."""


@dataclass(frozen=True, kw_only=True)
class Filling:
    """Images to make for one class.

    Attributes:
        target: Class position.
        real: Labeled images of the class that a generator may learn from.
        count: Synthetic images to make.
    """

    target: int
    real: int
    count: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a project's labels ask for.

    Attributes:
        fillings: Classes for which images are made, by position.
        too_few: Position and real images of classes that want some and have too few to learn from.
    """

    fillings: tuple[Filling, ...]
    too_few: tuple[tuple[int, int], ...]


def plan_fillings(counts: Mapping[int, int], below: int, only: Sequence[int] | None = None) -> Plan:
    """Return which classes get images: enough to come up to `below`, at least ten, at most two a real one.

    Args:
        counts: Real images by class position; classes without any are left out or have 0.
        below: Labels under which images are made.
        only: Class positions asked for; None for all that are below.

    >>> plan = plan_fillings({0: 500, 1: 40, 2: 98, 3: 7}, below=100)
    >>> [(filling.target, filling.count) for filling in plan.fillings], plan.too_few
    ([(1, 60), (2, 10)], ((3, 7),))
    """
    wanted = [target for target in sorted(counts) if counts[target] < below and (only is None or target in only)]
    fillings = tuple(
        Filling(target=target, real=counts[target], count=_images(below - counts[target], counts[target]))
        for target in wanted
        if counts[target] >= LEAST_REAL
    )
    return Plan(fillings=fillings, too_few=tuple((t, counts[t]) for t in wanted if counts[t] < LEAST_REAL))


def _images(lacking: int, real: int) -> int:
    return min(max(lacking, LEAST_MADE), MOST_PER_REAL * real)


def grew(before: int, now: int, share: float) -> bool:
    """Tell whether labels grew (or shrank: some were taken back) by a share.

    >>> grew(100, 124, 0.25), grew(100, 125, 0.25), grew(100, 70, 0.25)
    (False, True, True)
    """
    return abs(now - before) >= share * max(before, 1)
