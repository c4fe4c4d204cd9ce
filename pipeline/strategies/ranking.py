"""Strategies that score each image and ask the best: streamed, with memory for k images, mergeable over shards."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import StrategyError
from pipeline.strategies.base import Arrays, QueryContext, Selection, take_best
from pipeline.strategies.one_pass import Block, Collector, OnePass, Wants, look

_SPARE = 1 << 14  # rows kept before the worst are thrown away
_NAMES = ("ids", "scores", "predicted", "nearest")


@dataclass(frozen=True)
class _Rows:
    ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    predicted: NDArray[np.int64]
    nearest: NDArray[np.int64]

    def at(self, places: NDArray[np.intp]) -> _Rows:
        return _Rows(self.ids[places], self.scores[places], self.predicted[places], self.nearest[places])


class Best:
    """Keeps the k images of best score, ties by id, of as many as come.

    Args:
        k: How many.
        descending: Whether the largest scores are the best.
    """

    def __init__(self, k: int, *, descending: bool) -> None:
        self.k, self.descending = k, descending
        self._rows: list[_Rows] = []
        self._count = 0

    def add(self, ids: NDArray[np.int64], scores: Tensor, first: Tensor, second: Tensor) -> None:
        """Take in images: ids, scores, predicted and nearest other classes, (B,) each."""
        self._add(_Rows(ids, scores.double().cpu().numpy(), first.cpu().numpy(), second.cpu().numpy()))

    def kept(self) -> Arrays:
        """Return the best so far, as arrays."""
        best = self._best()
        return {name: getattr(best, name) for name in _NAMES}

    def merge(self, kept: Arrays) -> None:
        """Take in the best of a shard."""
        self._add(_Rows(*(kept[name] for name in _NAMES)))

    def _add(self, rows: _Rows) -> None:
        self._rows.append(rows)
        self._count += len(rows.ids)
        if self._count > 2 * self.k + _SPARE:
            self._rows = [self._best()]
            self._count = self.k

    def selection(self) -> Selection:
        """Return the best.

        Raises:
            StrategyError: A score is NaN.
        """
        best = self._best()
        return Selection(
            ids=best.ids, scores=best.scores, predicted=best.predicted, nearest=best.nearest, descending=self.descending
        )

    def _best(self) -> _Rows:
        rows = _Rows(*(np.concatenate([getattr(part, name) for part in self._rows]) for name in _NAMES))
        return rows.at(take_best(rows.ids, rows.scores, self.k, largest=self.descending))


class TopK:
    """Collects the k images of best score.

    Args:
        k: How many.
        score: From a block to scores (B,).
        descending: Whether the largest scores are the best.
        wants: What the score reads of a block.
    """

    def __init__(self, k: int, score: Callable[[Block], Tensor], *, descending: bool, wants: Wants) -> None:
        self.score, self.wants = score, wants
        self.best = Best(k, descending=descending)

    def collect(self, block: Block) -> None:
        """Take in the scores of one block."""
        self.best.add(block.ids, self.score(block), *two_highest_of(block.logits))

    def kept(self) -> Arrays:
        """Return the best so far."""
        return self.best.kept()

    def merge(self, kept: Arrays) -> None:
        """Take in the best of a shard."""
        self.best.merge(kept)

    def selection(self) -> Selection:
        """Return the best."""
        return self.best.selection()


class Ranked(OnePass):
    """A strategy by scores; subclasses say how an image is scored."""

    descending: ClassVar[bool] = False
    mergeable: ClassVar[bool] = True

    @property
    def wants(self) -> Wants:
        """What a score reads of a block."""
        return Wants()

    @abstractmethod
    def score(self, block: Block) -> Tensor:
        """Return the scores (B,) of a block."""

    def collector(self, context: QueryContext, k: int) -> Collector:
        """Return what keeps the k best scores."""
        return TopK(k, self.score, descending=self.descending, wants=self.wants)


def two_highest_of(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the classes of the highest and the second highest logit, int64 (B,) each."""
    first = logits.argmax(dim=1, keepdim=True)  # (B, 1)
    return first[:, 0], logits.scatter(1, first, -torch.inf).argmax(dim=1)


def merge_selections(parts: Sequence[Selection], k: int) -> Selection:
    """Return the k best of several shards' selections: what one pass over all of them would choose.

    Args:
        parts: Of one strategy, each the best of its shard: min(k, shard) of them.
        k: How many.

    Raises:
        StrategyError: There is nothing to merge, or the parts rank in different directions.
    """
    if not parts or len({part.descending for part in parts}) != 1:
        raise StrategyError("expected selections of one strategy, got none or several; merge those of one strategy")
    ids, scores = np.concatenate([part.ids for part in parts]), np.concatenate([part.scores for part in parts])
    best = take_best(ids, scores, k, largest=parts[0].descending)
    copies = [part.copies for part in parts if part.copies is not None]
    lengths = [part.copy_distances for part in parts if part.copy_distances is not None]
    return replace(
        parts[0],
        ids=ids[best],
        scores=scores[best],
        predicted=np.concatenate([part.predicted for part in parts])[best],
        nearest=np.concatenate([part.nearest for part in parts])[best],
        copies=torch.cat(copies)[torch.from_numpy(best)] if copies else None,
        copy_distances=np.concatenate(lengths)[best] if lengths else None,
        diagnostics={"shards": len(parts)},
    )


def classes_of(context: QueryContext, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the model's class and the nearest other class of some images, int64 (k,) each; -1 without a model."""
    if context.model is None or not len(ids):
        return np.full(len(ids), -1), np.full(len(ids), -1)
    everything = TopK(len(ids), lambda block: block.logits[:, 0], descending=False, wants=Wants())
    look(replace(context, pool=context.pool.subset(ids), on_progress=None), [everything])  # a few images: here
    found = everything.selection()
    place = np.argsort(found.ids)[np.searchsorted(np.sort(found.ids), ids)]
    return found.predicted[place], found.nearest[place]
