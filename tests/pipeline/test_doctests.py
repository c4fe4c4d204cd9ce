"""The examples in docstrings are run, so that they stay true."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = [
    "pipeline.attacks.border",
    "pipeline.augmentation.adversarial",
    "pipeline.augmentation.gan.batches",
    "pipeline.augmentation.gan.collapse",
    "pipeline.augmentation.gan.discriminators",
    "pipeline.augmentation.gan.memorization",
    "pipeline.augmentation.gan.networks",
    "pipeline.augmentation.gan.recipe",
    "pipeline.augmentation.gan.terms",
    "pipeline.augmentation.gan.trusted",
    "pipeline.augmentation.gate.bounds",
    "pipeline.augmentation.gate.plan",
    "pipeline.augmentation.translation.collapse",
    "pipeline.augmentation.translation.losses",
    "pipeline.augmentation.translation.nearest",
    "pipeline.augmentation.translation.recipe",
    "pipeline.data.transforms",
    "pipeline.experiment.augmentations",
    "pipeline.experiment.planning",
    "pipeline.experiment.rare",
    "pipeline.experiment.recipes",
    "pipeline.reports.cells",
    "pipeline.reports.html_parts",
    "pipeline.reports.tables",
    "pipeline.statistics.agreement",
    "pipeline.statistics.annotators",
    "pipeline.statistics.blocks",
    "pipeline.statistics.charts.looks",
    "pipeline.statistics.charts.others",
    "pipeline.statistics.comparison",
    "pipeline.statistics.curves",
    "pipeline.statistics.intervals",
    "pipeline.statistics.paired",
    "pipeline.statistics.projection",
    "pipeline.statistics.stopping",
    "pipeline.statistics.published",
    "pipeline.statistics.targets",
    "pipeline.strategies.base",
    "pipeline.strategies.confident",
    "pipeline.strategies.registry",
    "pipeline.strategies.uncertainty",
    "pipeline.training.inference",
    "pipeline.training.recipes",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0
