"""A whole comparison in this process, for notebooks: all arms and seeds, one unit after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from pipeline.experiment.checking import check
from pipeline.experiment.data import ExperimentData
from pipeline.experiment.lockstep import run_unit
from pipeline.experiment.planning import plan
from pipeline.experiment.protocols import ChosenRecipe, choose_recipe
from pipeline.experiment.records import Arm, Point, Settings
from pipeline.training.inference import choose_device

Progress = Callable[[int, int, str], None]
OnPoint = Callable[[Arm, int, Point], None]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a comparison came to.

    Attributes:
        settings: What was compared.
        classes: Names of the classes.
        points: By arm and seed, in the order of their labels.
        about: With what it ran: device, versions, recipe, what tuning found and spent.
    """

    settings: Settings
    classes: tuple[str, ...]
    points: Mapping[tuple[Arm, int], tuple[Point, ...]]
    about: Mapping[str, Any] = field(default_factory=dict)


def compare(
    data: ExperimentData,
    settings: Settings,
    *,
    device: torch.device | str | None = None,
    on_point: OnPoint | None = None,
    on_progress: Progress | None = None,
    folder: Path | str | None = None,
) -> Result:
    """Run every arm with every seed and return all points.

    Args:
        data: The images; `settings.imbalance` is applied here.
        settings: What is compared.
        device: Where to compute; None takes a GPU where there is one.
        on_point: Called with (arm, seed, point) for every point as it is made (again for those of an earlier start).
        on_progress: Called with (points there, points wanted, a line to show); raising stops.
        folder: Where to keep files: the same call goes on from there after a stop. One folder a comparison.

    Raises:
        PipelineError: The comparison cannot be run as asked; most reasons are found before any work.
    """
    check(settings, data)
    place = None if folder is None else Path(folder)
    where = choose_device() if device is None else torch.device(device)
    points: dict[tuple[Arm, int], tuple[Point, ...]] = {}
    recipes: dict[str, ChosenRecipe] = {}
    for unit in plan(settings):
        network = unit.arm.trains or settings.model
        if network not in recipes:
            recipes[network] = choose_recipe(data, settings, model=network, device=where, on_progress=on_progress)
        found = run_unit(
            data,
            settings,
            recipes[network].recipe,
            unit.arm,
            unit.seeds,
            device=where,
            done=points,
            folder=place,
            on_point=on_point,
            on_progress=on_progress,
        )
        points |= {(unit.arm, seed): made for seed, made in found.items()}
    return Result(settings=settings, classes=data.classes, points=points)
