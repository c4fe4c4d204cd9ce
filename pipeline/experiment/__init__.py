"""Active learning simulated on images whose labels are known, on tensors alone: a fair comparison of strategies.

>>> from pipeline import experiment
>>> settings = experiment.Settings(
...     strategies=("random_sampling", "margin"), model="lenet5", labels=60, batch=20, seed_labels=20, seeds=(0, 1)
... )
>>> [(unit.arm.name, unit.seeds) for unit in experiment.plan(settings)]
[('random_sampling', (0, 1)), ('margin', (0, 1))]

What needs torch is imported when it is first asked for, so that settings and plans are cheap to read.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pipeline.experiment.planning import Unit, arms, label_counts, plan
from pipeline.experiment.records import Arm, Point, Protocol, Settings

if TYPE_CHECKING:
    from pipeline.experiment.checking import check
    from pipeline.experiment.comparing import compare
    from pipeline.experiment.data import ExperimentData
    from pipeline.experiment.lockstep import run_unit
    from pipeline.experiment.progress import Pace
    from pipeline.experiment.recipes import ChosenRecipe, choose_recipe
    from pipeline.experiment.result import Result

_PLACES = {
    "ChosenRecipe": "recipes",
    "ExperimentData": "data",
    "Pace": "progress",
    "Result": "result",
    "check": "checking",
    "choose_recipe": "recipes",
    "compare": "comparing",
    "run_unit": "lockstep",
}

__all__ = [
    "Arm",
    "ChosenRecipe",
    "ExperimentData",
    "Pace",
    "Point",
    "Protocol",
    "Result",
    "Settings",
    "Unit",
    "arms",
    "check",
    "choose_recipe",
    "compare",
    "label_counts",
    "plan",
    "run_unit",
]


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
