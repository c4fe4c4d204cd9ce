"""Strategies by name: 'dfal', 'margin+copies', or 'package.module:ClassName' for your own."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from pipeline.catalog import STRATEGIES
from pipeline.errors import StrategyError
from pipeline.models.custom import import_by_path
from pipeline.strategies.base import Strategy
from pipeline.strategies.copies import WithCopies
from pipeline.strategies.dfal import DFAL0
from pipeline.strategies.random_sampling import RandomSampling
from pipeline.strategies.uncertainty import Margin

_COPIES = "+copies"
_MAKERS: dict[str, Callable[[], Strategy]] = {
    "dfal": lambda: WithCopies(base=DFAL0()),
    "dfal_0": DFAL0,
    "margin": Margin,
    "random_sampling": RandomSampling,
}


def get_strategy(spec: str) -> Strategy:
    """Return a strategy.

    Args:
        spec: A name of `pipeline.catalog.STRATEGIES`, or the import path 'package.module:ClassName' of a class that can
            be made without arguments and has `name`, `needs_model`, `makes_copies` and `select`; either may be followed
            by '+copies'.

    Raises:
        StrategyError: There is none of that name, or it is not a strategy.

    >>> get_strategy("margin+copies").name
    'margin+copies'
    """
    if spec.endswith(_COPIES):
        return WithCopies(base=get_strategy(spec.removesuffix(_COPIES)))
    if spec in _MAKERS:
        return _MAKERS[spec]()
    if ":" in spec:
        return _import(spec)
    close = get_close_matches(spec, STRATEGIES, n=1)
    hint = f"did you mean {close[0]}?" if close else f"choose one of: {', '.join(STRATEGIES)}"
    raise StrategyError(f"expected a known strategy, got {spec!r}; {hint} (or 'package.module:ClassName' for your own)")


def _import(spec: str) -> Strategy:
    maker = import_by_path(spec, StrategyError)
    try:
        made = maker()
    except TypeError as error:
        raise StrategyError(f"expected {spec} to be made without arguments, got: {error}; give defaults") from error
    if not isinstance(made, Strategy):
        raise StrategyError(
            f"expected {spec} to have name, needs_model, makes_copies and select, got {type(made).__name__}; add them"
        )
    return made
