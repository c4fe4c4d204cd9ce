"""CEAL: people label the least sure images, and the model labels the surest itself, for the next training alone.

Wang et al., "Cost-effective active learning for deep image classification", IEEE TCSVT 2017, arXiv:1701.03551. An image
is sure where its entropy is below a threshold, which falls from round to round as the model gets surer.
Pseudo-labels are made anew each round; an image that has one stays in the pool.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from torch import Tensor

from pipeline.errors import StrategyError
from pipeline.strategies.base import Arrays, QueryContext, Selection
from pipeline.strategies.one_pass import Block, Collector, OnePass, Wants, joined, split
from pipeline.strategies.ranking import Ranked, TopK
from pipeline.strategies.uncertainty import Entropy, LeastConfidence, Margin, entropy

_CRITERIA: dict[str, type[Ranked]] = {"entropy": Entropy, "least_confidence": LeastConfidence, "margin": Margin}


@dataclass(frozen=True, kw_only=True)
class Ceal(OnePass):
    """An uncertainty criterion with pseudo-labels.

    Attributes:
        criterion: 'entropy', 'least_confidence' or 'margin': how the asked images are chosen.
        threshold: Entropy in nats below which an image is sure, in the first round.
        decay: How much it falls a round.
        most: Most pseudo-labels, the surest first.
    """

    criterion: str = "entropy"
    threshold: float = 0.05
    decay: float = 0.0033
    most: int = 10_000

    name: ClassVar[str] = "ceal"

    def __post_init__(self) -> None:
        if self.criterion not in _CRITERIA:
            raise StrategyError(f"expected criterion {' or '.join(_CRITERIA)}, got {self.criterion!r}")
        if self.threshold < 0 or self.decay < 0 or self.most < 1:
            raise StrategyError(
                f"expected threshold and decay of 0 or more and most of 1 or more, got {self.threshold}, {self.decay} "
                f"and {self.most}"
            )

    def threshold_of(self, round_number: int) -> float:
        """Return the threshold of a round, from 1.

        >>> round(Ceal(threshold=0.05, decay=0.01).threshold_of(3), 3)
        0.03
        """
        return max(0.0, self.threshold - self.decay * (round_number - 1))

    def collector(self, context: QueryContext, k: int) -> Collector:
        """Return what keeps the least sure and the surest images."""
        return _BothEnds(self, context, k)


class _BothEnds:
    """Keeps the k images to ask, and as many of the surest as may be needed."""

    wants = Wants()

    def __init__(self, strategy: Ceal, context: QueryContext, k: int) -> None:
        self.asked = _CRITERIA[strategy.criterion]().collector(context, k)
        self.sure = TopK(min(strategy.most + k, len(context.pool)), _entropy, descending=False, wants=Wants())
        self.threshold, self.most = strategy.threshold_of(context.round_number), strategy.most

    def collect(self, block: Block) -> None:
        """Take in one block."""
        self.asked.collect(block)
        self.sure.collect(block)

    def kept(self) -> Arrays:
        """Return both ends."""
        return joined([self.asked.kept(), self.sure.kept()])

    def merge(self, kept: Arrays) -> None:
        """Take in both ends of a shard."""
        self.asked.merge(split(kept, 0))
        self.sure.merge(split(kept, 1))

    def selection(self) -> Selection:
        """Return the images to ask, and pseudo-labels for others."""
        asked, sure = self.asked.selection(), self.sure.selection()
        keep = (sure.scores < self.threshold) & ~np.isin(sure.ids, asked.ids)
        ids, targets = sure.ids[keep][: self.most], sure.predicted[keep][: self.most]
        figures: dict[str, float | int | str] = {"pseudo_labels": len(ids), "threshold": self.threshold}
        return replace(asked, pseudo_ids=ids, pseudo_targets=targets, diagnostics=figures)


def _entropy(block: Block) -> Tensor:
    return entropy(block.logits)
