"""Along the way: how many classes have a label at all, and how well the rare ones are recognized."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.statistics.blocks import Block, values_at
from pipeline.statistics.curves import Curve

_UNCHOSEN = "random_sampling"
_AUGMENTED = f"{_UNCHOSEN}, augment="  # other trainings on the same labels
_RARE = 0.5  # of the mean number of labels a class


def classes_covered(curves: Sequence[Curve], block: Block) -> list[float | None]:
    """Return the mean number of classes with a label or more at each label count (P,); None if not counted."""
    return _means(curves, block, "class_labels", lambda counts: float(sum(count > 0 for count in counts)))


def rare_recall(curves: Sequence[Curve], block: Block, rare: Sequence[int]) -> list[float | None]:
    """Return the mean recall of the rare classes at each label count (P,); None if not measured or none is rare."""
    return _means(curves, block, "class_recall", lambda recalls: _mean([recalls[place] for place in rare]))


def mean_figure(curves: Sequence[Curve], block: Block, figure: str) -> list[float | None]:
    """Return the mean of a figure at each label count (P,) over the runs that have it; None where none has."""
    return _means(curves, block, figure, lambda value: value)


def rare_classes(arms: Mapping[str, Sequence[Curve]]) -> tuple[int, ...]:
    """Return the classes that random labels show to be rare: fewer than half of the mean, rarest first.

    Labels that a strategy chose say little about how frequent a class is. So the last points of the random arm are
    counted, and where there is none the seed sets, which are drawn before any strategy has its say.
    """
    unchosen = next((runs for name, runs in arms.items() if name == _UNCHOSEN or name.startswith(_AUGMENTED)), ())
    place, runs = (-1, unchosen) if unchosen else (0, [run for found in arms.values() for run in found])
    counted = [run.class_labels[place] for run in runs if run.class_labels]
    if not counted or len({len(row) for row in counted}) > 1:
        return ()
    totals = np.array(counted).sum(axis=0)  # (K,)
    order = np.argsort(totals, kind="stable")
    return tuple(int(place) for place in order if totals[place] < _RARE * totals.mean())


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _means(
    curves: Sequence[Curve], block: Block, figure: str, read: Callable[[Any], float | None]
) -> list[float | None]:
    """Return the mean over runs of what is read from a figure, column by column; runs without it do not count."""
    measured = [row for row in values_at(curves, block, figure) if row]
    if not measured:
        return [None] * len(block.labels)
    return [_mean([read(cell) for cell in column]) for column in zip(*measured, strict=True)]
