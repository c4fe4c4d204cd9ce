"""`X+copies`: any strategy with adversarial copies of what it asks, to tell selection from augmentation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from pipeline.attacks.border import Norm
from pipeline.attacks.deepfool import DeepFoolSettings, deepfool
from pipeline.errors import StrategyError
from pipeline.strategies.base import QueryContext, Selection, Strategy, can_merge, check_request, model_of


@dataclass(frozen=True, kw_only=True)
class WithCopies:
    """Push each asked image just over the border of the round's model, by DeepFool.

    The copy is labeled by the annotator's answer about its original. An image whose prediction does not change gets
    none. Copies are float32: eight bits would undo the step.

    Attributes:
        base: The strategy that chooses.
        norm: 'l2' or 'linf'.
        overshoot: How far over the border, as a share of the step.
        max_iterations: Most steps of DeepFool.
        candidates: How many other classes are looked at; None is all.
    """

    base: Strategy
    norm: Norm = "l2"
    overshoot: float = 0.02
    max_iterations: int = 50
    candidates: int | None = None

    makes_copies: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.base.makes_copies:
            raise StrategyError(f"expected a strategy without copies, got {self.base.name}; it makes them already")
        DeepFoolSettings(self.norm, self.overshoot, self.max_iterations, candidates=self.candidates)  # refuses at once

    @property
    def name(self) -> str:
        """The base's name with '+copies'; 'dfal' for DFAL's own pair."""
        return "dfal" if self.base.name == "dfal_0" else f"{self.base.name}+copies"

    @property
    def mergeable(self) -> bool:
        """Whether the base's shards merge."""
        return can_merge(self.base)

    @property
    def needs_model(self) -> bool:
        """Whether the base needs one; without a model there are no copies."""
        return self.base.needs_model

    def select(self, context: QueryContext, k: int) -> Selection:
        """Return the base's selection, with copies when there is a model."""
        check_request(self, context, k)
        chosen = self.base.select(context, k)
        if context.model is None:
            return chosen
        pushed = deepfool(
            model_of(context),
            context.pool.take(chosen.ids),
            norm=self.norm,
            overshoot=self.overshoot,
            max_iterations=self.max_iterations,
            candidates=self.candidates,
            chunk=context.batch_size,
        )
        made = pushed.distance.isfinite()  # (k,)
        copies = torch.where(made[:, None, None, None], pushed.perturbed, torch.nan).float().cpu()
        figures = {**chosen.diagnostics, "copies": int(made.sum())}
        return replace(chosen, copies=copies, copy_distances=pushed.distance.cpu().numpy(), diagnostics=figures)
