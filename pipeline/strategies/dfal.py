"""DFAL's selection: the images nearest to the decision border, over the whole pool.

Ducoffe and Precioso, "Adversarial Active Learning for Deep Networks: a Margin Based Approach", arXiv:1802.09841. Their
code looked at 300 random images a round; here the search is exact. `dfal` is `dfal_0+copies`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pipeline.attacks.border import Norm
from pipeline.attacks.deepfool import DeepFoolSettings
from pipeline.attacks.search import Figures, nearest_to_border, sum_up
from pipeline.strategies.base import QueryContext, Selection, check_request, model_of


@dataclass(frozen=True, kw_only=True)
class DFAL0:
    """Nearest to the border by DeepFool; the score is the distance, smallest first.

    Attributes:
        norm: 'l2' or 'linf'.
        overshoot: Share added to the accumulated step; part of the distance.
        max_iterations: Most steps of DeepFool.
        candidates: How many other classes are looked at; None is all, the exact answer.
        exhaustive: Attack every image instead of searching; slow, for reference.
    """

    norm: Norm = "l2"
    overshoot: float = 0.02
    max_iterations: int = 50
    candidates: int | None = None
    exhaustive: bool = False

    name: ClassVar[str] = "dfal_0"
    needs_model: ClassVar[bool] = True
    makes_copies: ClassVar[bool] = False
    mergeable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        DeepFoolSettings(self.norm, self.overshoot, self.max_iterations, candidates=self.candidates)  # refuses at once

    def select(self, context: QueryContext, k: int) -> Selection:
        """Return the k nearest images."""
        check_request(self, context, k)
        found = nearest_to_border(
            model_of(context),
            context.pool,
            k,
            exhaustive=self.exhaustive,
            norm=self.norm,
            overshoot=self.overshoot,
            max_iterations=self.max_iterations,
            candidates=self.candidates,
            classes=context.classes,
            seed=context.seed,
            batch_size=context.batch_size,
            on_progress=context.on_progress,
        )
        return Selection(
            ids=found.ids,
            scores=found.distance,
            predicted=found.predicted,
            nearest=found.nearest,
            diagnostics=found.diagnostics,
        )

    def sum_up(self, figures: Sequence[Figures]) -> Figures:
        """Return the figures of a search shard by shard."""
        return sum_up(figures)
