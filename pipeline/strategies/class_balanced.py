"""`X+class_balanced`: more questions about the classes that have few labels, as far as the model can tell them.

After Bengar et al., "Class-balanced active learning for image classification", WACV 2022, arXiv:2110.04543, greedily:
where they solve a program over the whole pool, each query here goes to the class that lacks most.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StrategyError
from pipeline.strategies.base import QueryContext, Selection, Strategy, check_request
from pipeline.strategies.ranking import classes_of
from pipeline.strategies.reorder import taken
from pipeline.strategies.shards import select


@dataclass(frozen=True, kw_only=True)
class ClassBalanced:
    """Take the base's best images, each time of the predicted class with the fewest labels and queries so far.

    Attributes:
        base: The strategy that ranks.
        shortlist: How many times k of its best images are looked at.
    """

    base: Strategy
    shortlist: int = 10

    needs_model: ClassVar[bool] = True
    makes_copies: ClassVar[bool] = False
    spreads: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.base.makes_copies:
            raise StrategyError(f"expected a strategy without copies, got {self.base.name}; write +copies last")
        if self.shortlist < 1:
            raise StrategyError(f"expected a shortlist of 1 or more, got {self.shortlist}")

    @property
    def name(self) -> str:
        """The base's name with '+class_balanced'."""
        return f"{self.base.name}+class_balanced"

    def select(self, context: QueryContext, k: int) -> Selection:
        """Return k images."""
        check_request(self, context, k)
        ranked = select(self.base, context, min(self.shortlist * k, len(context.pool)))
        if (ranked.predicted < 0).any():  # a strategy of one's own may not say
            predicted, nearest = classes_of(context, ranked.ids)
            ranked = replace(ranked, predicted=predicted, nearest=nearest)
        labels = np.bincount(context.labeled_targets, minlength=context.classes)
        places = balance(ranked.predicted, labels, k)
        asked = np.bincount(ranked.predicted[places], minlength=context.classes)
        figures: dict[str, float | int | str] = {
            "fewest_labels_before": int(labels.min()), "classes_asked": int((asked > 0).sum())
        }  # fmt: skip
        return taken(ranked, places, figures)


def balance(predicted: NDArray[np.int64], labels: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Pick k places of a ranking, each of the class with the fewest labels and picks that has images left.

    Args:
        predicted: int64 (N,), classes, best image first.
        labels: int64 (K,), labels a class has.
        k: At most N.

    Returns:
        int64 (k,), places in the order of their picks; among equally rare classes the best-ranked image goes first.

    >>> balance(np.array([0, 0, 0, 1, 2]), np.array([5, 1, 4]), 4).tolist()
    [3, 4, 0, 1]
    """
    have = labels.astype(np.int64).copy()
    waiting = [np.flatnonzero(predicted == label)[::-1].tolist() for label in range(len(labels))]
    picks: list[int] = []
    while len(picks) < k:
        open_ = [label for label in range(len(labels)) if waiting[label]]
        best = min(open_, key=lambda label: (have[label], waiting[label][-1]))
        picks.append(waiting[best].pop())
        have[best] += 1
    return np.array(picks, dtype=np.int64)
