"""What there is to do: the arms, the label counts at which each is measured, and units of work; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.errors import ExperimentError
from pipeline.experiment.augmentations import parse_augment
from pipeline.experiment.records import Arm, Settings


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What one process, or one GPU, does in one go: an arm with some seeds in lockstep.

    Attributes:
        arm: Which line of the comparison.
        seeds: Its runs. Give the same ones when it goes on after a stop.
        needs: The arm whose finished points (of these seeds) a transfer reads; None for the others.
    """

    arm: Arm
    seeds: tuple[int, ...]
    needs: Arm | None = None


def arms(settings: Settings) -> tuple[Arm, ...]:
    """Return the lines of a comparison: each strategy with each augmentation, then a transfer's on the second network.

    >>> from pipeline.experiment.records import Settings
    >>> settings = Settings(strategies=("dfal",), model="lenet5", labels=9, batch=2, seed_labels=5, seeds=(0,),
    ...     transfer=("lenet5", "vgg8"))
    >>> [arm.name for arm in arms(settings)]
    ['dfal', 'dfal to vgg8']
    """
    asking = tuple(Arm(strategy, augment=name) for strategy in settings.strategies for name in settings.augment)
    if settings.transfer is None:
        return asking
    return asking + tuple(replace(arm, trains=settings.transfer[1]) for arm in asking)


def label_counts(settings: Settings) -> tuple[int, ...]:
    """Return the numbers of labels at which a run leaves a point; the last round asks what is left.

    >>> from pipeline.experiment.records import Settings
    >>> label_counts(Settings(strategies=("dfal",), model="lenet5", labels=9, batch=2, seed_labels=4, seeds=(0,)))
    (4, 6, 8, 9)
    """
    counts = list(range(settings.seed_labels, settings.labels, settings.batch))
    return (*counts, settings.labels)


def plan(settings: Settings, *, together: int | None = None) -> tuple[Unit, ...]:
    """Return the units of work, in an order in which each comes after what it needs.

    All arms of a seed come before those of the next: a comparison cut short is a fair one with fewer seeds.

    Args:
        settings: The comparison.
        together: Most seeds of a unit: None keeps all of an arm together, which fills a GPU; 1 suits processes that
            share the cores of a CPU.

    Raises:
        ExperimentError: `together` is below 1.
    """
    size = len(settings.seeds) if together is None else together
    if size < 1:
        raise ExperimentError(f"expected 1 or more seeds in a unit, got {size}")
    parts = [settings.seeds[start : start + size] for start in range(0, len(settings.seeds), size)]
    return tuple(Unit(arm=arm, seeds=part, needs=source_of(arm)) for part in parts for arm in arms(settings))


def network_of(arm: Arm, settings: Settings) -> str:
    """Return the network that an arm trains."""
    return arm.trains or settings.model


def source_of(arm: Arm) -> Arm | None:
    """Return the arm that chooses for a transfer; None for an arm that asks itself."""
    return replace(arm, trains="") if arm.trains else None


def strategy_spec(arm: Arm) -> str:
    """Return the spec of the strategy that asks for an arm.

    >>> strategy_spec(Arm("margin")), strategy_spec(Arm("margin", augment="balanced+copies"))
    ('margin', 'margin+copies')
    """
    return f"{arm.strategy}+copies" if parse_augment(arm.augment).copies else arm.strategy
