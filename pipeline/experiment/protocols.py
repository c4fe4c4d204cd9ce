"""What the two protocols mean: 'fair' (whole pool, one recipe for all) and 'paper' (as Ducoffe and Precioso did it)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from pipeline.experiment.recipes import ChosenRecipe, choose_recipe
from pipeline.experiment.records import Protocol, Settings
from pipeline.strategies.base import Strategy
from pipeline.strategies.copies import WithCopies
from pipeline.strategies.dfal import DFAL0
from pipeline.strategies.mixed import Mixed
from pipeline.strategies.registry import get_strategy
from pipeline.strategies.subsampled import Subsampled
from pipeline.training.dispatch import Recipe

__all__ = ["ChosenRecipe", "Recipe", "choose_recipe", "copy_rounds_of", "strategy_of"]

PAPER_CANDIDATES = 300
PAPER_ITERATIONS = 10


def strategy_of(spec: str, protocol: Protocol) -> Strategy:
    """Return an arm's strategy as the protocol has it.

    >>> strategy_of("dfal_0", "paper").base.max_iterations
    10
    """
    strategy = get_strategy(spec)
    return _as_in_paper(strategy) if protocol == "paper" else strategy


def copy_rounds_of(settings: Settings) -> int | None:
    """Return for how many rounds a copy trains; None is for good, as in the paper."""
    return None if settings.protocol == "paper" else settings.copy_rounds


def _as_in_paper(strategy: Strategy) -> Strategy:
    """DeepFool of 10 iterations without overshoot, on 300 random candidates, all copies kept, wherever it stands."""
    if isinstance(strategy, DFAL0):
        return Subsampled(base=_short(strategy), size=PAPER_CANDIDATES)
    if isinstance(strategy, Subsampled) and isinstance(strategy.base, DFAL0):
        return replace(strategy, base=_short(strategy.base))  # the size that was asked for stays
    if isinstance(strategy, WithCopies):
        base = _as_in_paper(strategy.base)
        return replace(strategy, base=base, overshoot=0.0, max_iterations=PAPER_ITERATIONS, reject_above=None)
    if isinstance(strategy, Mixed):
        return replace(strategy, parts=tuple((_as_in_paper(part), share) for part, share in strategy.parts))
    wrapper: Any = strategy
    if isinstance(getattr(wrapper, "base", None), Strategy):
        return cast(Strategy, replace(wrapper, base=_as_in_paper(wrapper.base)))
    return strategy


def _short(strategy: DFAL0) -> DFAL0:
    return replace(strategy, overshoot=0.0, max_iterations=PAPER_ITERATIONS)
