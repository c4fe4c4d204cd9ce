"""`X+copies`: any strategy with adversarial copies of what it asks, to tell selection from augmentation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.attacks.border import Norm, length
from pipeline.attacks.deepfool import DeepFoolSettings, deepfool
from pipeline.attacks.fixed import push_by
from pipeline.augmentation.distances import longest_push, within
from pipeline.data.transforms import to_float
from pipeline.errors import StrategyError
from pipeline.strategies.base import QueryContext, Selection, Strategy, can_merge, check_request, model_of
from pipeline.strategies.shards import select

Kind = Literal["deepfool", "fgsm", "bim"]
Made = Literal["once", "anew"]


@dataclass(frozen=True, kw_only=True)
class MadeCopies:
    """Copies of some images, and how far they were pushed.

    Attributes:
        images: float32 (k, C, S, S) on the CPU; NaN where there is none.
        distances: float64 (k,), lengths of the pushes; inf where there is none.
        rejected: How many were pushed too far to keep.
        limit: The longest push that is kept; inf without a limit.
    """

    images: Tensor
    distances: NDArray[np.float64]
    rejected: int
    limit: float

    @property
    def figures(self) -> dict[str, float | int | str]:
        """What the diagnostics of a round say."""
        found: dict[str, float | int | str] = {"copies": int(np.isfinite(self.distances).sum())}
        if math.isfinite(self.limit):
            found |= {"copies_rejected": self.rejected, "copies_limit": self.limit}
        return found


@dataclass(frozen=True, kw_only=True)
class WithCopies:
    """Push each asked image over the border of the round's model, or by a stated length.

    The copy is labeled by the annotator's answer about its original. An image whose prediction DeepFool does not change
    gets none, and none is kept that was pushed too far. Copies are float32: eight bits would undo the step.

    Attributes:
        base: The strategy that chooses.
        norm: 'l2' or 'linf': of DeepFool, and of the lengths.
        overshoot: How far over the border, as a share of DeepFool's step.
        max_iterations: Most steps of DeepFool.
        candidates: How many other classes DeepFool looks at; None is all.
        kind: 'deepfool' goes just over the border; 'fgsm' (one step) and 'bim' (several) go as far as epsilon says,
            away from the model's prediction, within [0, 1].
        epsilon: Most that a pixel changes by FGSM or BIM, in (0, 1].
        steps: Of BIM.
        reject_above: Pushes longer than half of this quantile of the labeled images' distances to their nearest of
            another class are not kept (see `pipeline.augmentation.distances`); None keeps all.
        made: 'once' keeps a copy as the model of its round made it; 'anew' pushes the images asked in the last rounds
            again with each round's model.
        rounds: For how many rounds an image has a copy that trains; None is as usual: 3, or what a comparison says.
    """

    base: Strategy
    norm: Norm = "l2"
    overshoot: float = 0.02
    max_iterations: int = 50
    candidates: int | None = None
    kind: Kind = "deepfool"
    epsilon: float = 0.1
    steps: int = 10
    reject_above: float | None = 0.05
    made: Made = "once"
    rounds: int | None = None

    makes_copies: ClassVar[bool] = True
    spreads: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.base.makes_copies:
            raise StrategyError(f"expected a strategy without copies, got {self.base.name}; it makes them already")
        DeepFoolSettings(self.norm, self.overshoot, self.max_iterations, candidates=self.candidates)  # refuses at once
        if self.kind not in ("deepfool", "fgsm", "bim") or self.made not in ("once", "anew"):
            raise StrategyError(
                "expected copies of the kind 'deepfool', 'fgsm' or 'bim', made 'once' or 'anew', "
                f"got {self.kind!r} and {self.made!r}"
            )
        if not 0 < self.epsilon <= 1 or self.steps < 1 or (self.rounds is not None and self.rounds < 1):
            raise StrategyError(
                "expected epsilon in (0, 1], and 1 or more steps and rounds, "
                f"got {self.epsilon}, {self.steps} and {self.rounds}"
            )
        if self.reject_above is not None and not 0 <= self.reject_above <= 1:
            raise StrategyError(f"expected reject_above in [0, 1], or None to keep all copies, got {self.reject_above}")

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
        chosen = select(self.base, context, k)
        if context.model is None:
            return chosen
        made = self.push(context, context.pool.take(chosen.ids))
        figures = {**chosen.diagnostics, **made.figures}
        return replace(chosen, copies=made.images, copy_distances=made.distances, diagnostics=figures)

    def push(self, context: QueryContext, images: Tensor) -> MadeCopies:
        """Return copies of some images uint8 (k, C, S, S), made with the context's model."""
        pushed, lengths = self._pushed(context, images)
        limit = self._limit(context)
        kept = within(lengths, limit)
        copies = torch.where(kept[:, None, None, None], pushed, torch.nan).float().cpu()
        distances = torch.where(kept, lengths, torch.inf).cpu().numpy()
        rejected = int((lengths.isfinite() & ~kept).sum())
        return MadeCopies(images=copies, distances=distances, rejected=rejected, limit=limit)

    def _pushed(self, context: QueryContext, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return pushed images (k, C, S, S) and lengths float64 (k,), inf where there is no push."""
        model = model_of(context)
        if self.kind != "deepfool":
            steps = 1 if self.kind == "fgsm" else self.steps
            pushed = push_by(model, images, epsilon=self.epsilon, steps=steps, chunk=context.batch_size)
            lengths = length(pushed - to_float(images.to(pushed.device), pushed.dtype), self.norm)
            return pushed, torch.where(lengths > 0, lengths, torch.inf)
        found = deepfool(
            model,
            images,
            norm=self.norm,
            overshoot=self.overshoot,
            max_iterations=self.max_iterations,
            candidates=self.candidates,
            chunk=context.batch_size,
        )
        return found.perturbed, found.distance

    def _limit(self, context: QueryContext) -> float:
        if self.reject_above is None or context.labeled_images is None:
            return math.inf
        return longest_push(
            context.labeled_images,
            context.labeled_targets,
            quantile=self.reject_above,
            norm=self.norm,
            seed=context.seed,
        )


def copy_rounds(strategy: Strategy, usual: int | None) -> int | None:
    """Return for how many rounds a copy trains: what the strategy says, else what is usual; None is for good."""
    own = strategy.rounds if isinstance(strategy, WithCopies) else None
    return usual if own is None else own
