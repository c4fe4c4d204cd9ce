"""The images that a model is sure of, class by class: people confirm them many at a time instead of naming each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.strategies.base import Arrays, QueryContext, Selection
from pipeline.strategies.one_pass import Block, Collector, Wants
from pipeline.strategies.ranking import two_highest_of
from pipeline.strategies.uncertainty import doubt

Ids = NDArray[np.int64]
_SPARE = 1 << 14  # rows kept before those that cannot be chosen are thrown away


def by_turns(ids: Ids, doubts: NDArray[np.float64], predicted: Ids, most: int) -> NDArray[np.intp]:
    """Return the positions of at most `most` images: of each class in turn the surest left, ties by id.

    The first n of the answer are the answer for n, and images that are not in the answer for a part of the pool are
    not in that for the whole.

    Args:
        ids: int64 (N,).
        doubts: float64 (N,), smallest for the surest.
        predicted: int64 (N,), class positions.
        most: In [0, N] or more.

    >>> by_turns(np.arange(4), np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 0, 0, 1]), 3).tolist()
    [0, 3, 1]
    """
    order = np.lexsort((ids, doubts, predicted))
    classes = predicted[order]
    turn = np.arange(len(order)) - np.searchsorted(classes, classes)  # place within the class
    return np.asarray(order[np.lexsort((ids[order], doubts[order], turn))][:most])


@dataclass(frozen=True)
class SureImages:
    """What is wanted of a look for the surest images.

    Attributes:
        confidence: Least probability of the predicted class, from 0 to 1.
        without: int64, ids that are left out.
    """

    confidence: float
    without: Ids

    def collector(self, _context: QueryContext, k: int) -> Collector:
        """Return what keeps about k images."""
        return Surest(k, self.confidence, self.without)


class Surest:
    """Collects the images of highest softmax confidence, balanced over the predicted classes where possible.

    Args:
        most: How many; memory is for about so many.
        confidence: Least probability of the predicted class, from 0 to 1.
        without: int64, ids that are left out.
    """

    wants = Wants()

    def __init__(self, most: int, confidence: float, without: Ids) -> None:
        self.most, self.confidence, self.without = most, confidence, without
        self._ids, self._predicted, self._nearest = (np.empty(0, dtype=np.int64) for _ in range(3))
        self._doubts = np.empty(0)

    def collect(self, block: Block) -> None:
        """Take in one block."""
        doubts = doubt(block.logits)  # (B,), log(1 - p1): keeps its digits where p1 itself would be 1.0
        sure = (-torch.expm1(doubts) >= self.confidence).cpu().numpy() & ~np.isin(block.ids, self.without)
        first, second = (classes.cpu().numpy()[sure] for classes in two_highest_of(block.logits))
        self._ids = np.concatenate([self._ids, block.ids[sure]])
        self._doubts = np.concatenate([self._doubts, doubts.cpu().numpy()[sure]])
        self._predicted = np.concatenate([self._predicted, first])
        self._nearest = np.concatenate([self._nearest, second])
        if len(self._ids) > 2 * self.most + _SPARE:
            self._keep_best()

    def kept(self) -> Arrays:
        """Return the best so far."""
        self._keep_best()
        return {"ids": self._ids, "doubts": self._doubts, "predicted": self._predicted, "nearest": self._nearest}

    def merge(self, kept: Arrays) -> None:
        """Take in the best of a shard."""
        self._ids = np.concatenate([self._ids, kept["ids"]])
        self._doubts = np.concatenate([self._doubts, kept["doubts"]])
        self._predicted = np.concatenate([self._predicted, kept["predicted"]])
        self._nearest = np.concatenate([self._nearest, kept["nearest"]])
        self._keep_best()

    def selection(self) -> Selection:
        """Return the images, of each class in turn the surest left; the score is log(1 - p1), smallest first."""
        self._keep_best()
        return Selection(ids=self._ids, scores=self._doubts, predicted=self._predicted, nearest=self._nearest)

    def _keep_best(self) -> None:
        best = by_turns(self._ids, self._doubts, self._predicted, self.most)
        self._ids, self._doubts = self._ids[best], self._doubts[best]
        self._predicted, self._nearest = self._predicted[best], self._nearest[best]
