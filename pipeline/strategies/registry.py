"""Strategies by name: 'dfal', 'margin+copies', 'mixed(dfal_0=0.9, random_sampling=0.1)', 'package.module:ClassName'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.errors import StrategyError
from pipeline.models.custom import import_by_path
from pipeline.strategies.adversarial import BIM, FGSM, DFALOneStep
from pipeline.strategies.badge import Badge
from pipeline.strategies.bald import Bald, MeanStd, PowerBald, VariationRatios
from pipeline.strategies.base import Strategy
from pipeline.strategies.batch_bald import BatchBald
from pipeline.strategies.ceal import Ceal
from pipeline.strategies.class_balanced import ClassBalanced
from pipeline.strategies.copies import WithCopies
from pipeline.strategies.core_set import CoreSet, CoreSetRobust
from pipeline.strategies.deduplicated import Deduplicated
from pipeline.strategies.dfal import DFAL0
from pipeline.strategies.egl import EGL
from pipeline.strategies.kmeans import KMeans
from pipeline.strategies.mixed import Mixed
from pipeline.strategies.probcover import ProbCover
from pipeline.strategies.random_sampling import RandomSampling
from pipeline.strategies.spec import Spec, parse_spec
from pipeline.strategies.subsampled import Subsampled
from pipeline.strategies.typiclust import TypiClust
from pipeline.strategies.uncertainty import Entropy, LeastConfidence, LogitGap, Margin

Maker = Callable[..., Strategy]

_COUNTS = ("draws", "max_iterations", "candidates", "steps", "rounds")  # declared by base classes, or behind `dfal`
_OF_COPIES = ("kind", "epsilon", "steps", "reject_above", "made", "rounds")


def _dfal(**settings: Any) -> Strategy:
    """Make DFAL's own pair: what copies alone have goes to them, the rest to the selection."""
    own = {name: settings.pop(name) for name in _OF_COPIES if name in settings}
    return WithCopies(base=DFAL0(**settings), **own)


_STRATEGIES: dict[str, Maker] = {
    "dfal": _dfal,
    "dfal_0": DFAL0,
    "dfal_one_step": DFALOneStep,
    "fgsm": FGSM,
    "bim": BIM,
    "least_confidence": LeastConfidence,
    "margin": Margin,
    "logit_gap": LogitGap,
    "entropy": Entropy,
    "bald": Bald,
    "batch_bald": BatchBald,
    "power_bald": PowerBald,
    "variation_ratios": VariationRatios,
    "mean_std": MeanStd,
    "ceal": Ceal,
    "core_set": CoreSet,
    "core_set_robust": CoreSetRobust,
    "egl": EGL,
    "badge": Badge,
    "typiclust": TypiClust,
    "probcover": ProbCover,
    "kmeans": KMeans,
    "random_sampling": RandomSampling,
}
_WRAPPERS: dict[str, Maker] = {
    "copies": WithCopies,
    "class_balanced": ClassBalanced,
    "deduplicated": Deduplicated,
    "subsampled": Subsampled,
}


def get_strategy(spec: str) -> Strategy:
    """Return a strategy.

    Args:
        spec: A name of `pipeline.catalog.STRATEGIES`, with settings and wrappers as `pipeline.strategies.spec` tells;
            or the import path 'package.module:ClassName' of a class that has `name`, `needs_model`, `makes_copies` and
            `select`, and that can be made from the settings alone.

    Raises:
        StrategyError: There is none of that name, it has no such setting, or it is not a strategy.

    >>> get_strategy("margin+copies").name
    'margin+copies'
    >>> get_strategy("bald(draws=50)")
    Bald(draws=50)
    """
    return _build(parse_spec(spec))


def _build(spec: Spec) -> Strategy:
    if spec.shares:
        return Mixed(parts=tuple((_build(part), share) for part, share in spec.shares))
    if spec.base is not None:
        return _make(_WRAPPERS[spec.name], spec, base=_build(spec.base))
    if ":" in spec.name:
        return _own(spec)
    return _make(_STRATEGIES[spec.name], spec)


def _make(maker: Maker, spec: Spec, **more: Any) -> Strategy:
    try:
        made = maker(**more, **spec.settings)
    except TypeError as error:
        raise StrategyError(
            f"expected settings that {spec.name} has, got {dict(spec.settings)}: {error}; see its documentation"
        ) from error
    for name, value in spec.settings.items():
        if isinstance(value, float) and _whole(maker, name):
            raise StrategyError(f"expected a whole number for {name} of {spec.name}, got {value}")
    return made


def _whole(maker: Maker, name: str) -> bool:
    """Return whether a setting is declared as int."""
    return str(getattr(maker, "__annotations__", {}).get(name, "")).startswith("int") or name in _COUNTS


def _own(spec: Spec) -> Strategy:
    maker = import_by_path(spec.name, StrategyError)
    try:
        made = maker(**spec.settings)
    except TypeError as error:
        raise StrategyError(
            f"expected {spec.name} to be made from {dict(spec.settings)}, got: {error}; give defaults"
        ) from error
    if not isinstance(made, Strategy):
        raise StrategyError(
            f"expected {spec.name} to have name, needs_model, makes_copies and select, got {type(made).__name__}; "
            "add them"
        )
    return made
