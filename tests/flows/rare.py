"""A small project with a rare class, and makers and a gate that take seconds: tiny recipes of the real things."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from db.records import Project
from flows.ingest import IngestOptions, ingest_source
from flows.report import SilentReporter
from flows.store import Store
from pipeline.augmentation.gan.recipe import GAN_RECIPES, GanRecipe
from pipeline.augmentation.quality import Gate, GateBounds
from pipeline.augmentation.translation.recipe import TranslationRecipe
from pipeline.data.sources import Source, SourceItem, open_source
from pipeline.training.recipes import RECIPES, SupervisedRecipe
from tests.flows.conftest import Some, make_project

CLASSES = ("0", "1", "2")
LABELS = {"0": 60, "1": 60, "2": 24}
RARE = 2
ANYTHING = GateBounds(
    enough_recall=2.0, label_agreement=0.0, least_agreement=0.0, pair_ratio=0.0, precision=0.0, recall=0.0, density=0.0,
    coverage=0.0, least_neighbor_ratio=0.0, most_neighbor_ratio=1e9, copied=1.0,
)  # fmt: skip
"""Bounds that all images pass."""


def make_tiny(patch: pytest.MonkeyPatch, *, accept: bool = True) -> None:
    """Make recipes tiny and checkpoints frequent; with `accept` the gate measures all and accepts everything."""
    tiny = GanRecipe(width=4, latent=4, batch_size=4, steps=6, look_every=3)
    patch.setitem(GAN_RECIPES, "small", tiny)
    patch.setitem(RECIPES, "quick", SupervisedRecipe(epochs=1, least_steps=12, most_steps=12, window=6))
    patch.setattr("pipeline.augmentation.trained.TranslationRecipe", TinyTranslation)
    patch.setattr("flows.augment_makers.CHECKPOINT_SECONDS", 0.0)
    if accept:
        patch.setattr("flows.augment_gate.Gate", partial(Gate, bounds=ANYTHING))
        patch.setattr("pipeline.augmentation.quality.refusal_by_test", lambda *_: None)


class TinyTranslation(TranslationRecipe):
    """CycleGAN of a few steps."""

    def __init__(self, **changes: object) -> None:
        super().__init__(**{"width": 4, "blocks": 1, "steps": 4, "batch_size": 2, **changes})


def of_classes(start: int, counts: dict[str, int]) -> Source:
    """Digits of some classes, so many of each, after the first `start` of it."""
    seen: Counter[str | None] = Counter()

    def keep(_: int, item: SourceItem) -> bool:
        seen[item.known_class] += 1
        return start < seen[item.known_class] <= start + counts.get(str(item.known_class), 0)

    some = Some(open_source("digits"), keep)
    some.classes = CLASSES
    return some


def read(store: Store, project: Project, start: int, counts: dict[str, int], **options: object) -> None:
    """Ingest digits."""
    ingest_source(store, project.id, of_classes(start, counts), IngestOptions(**options), SilentReporter())


def rare_project(
    store: Store, *, validation: bool = True, labels: dict[str, int] | None = None, **changes: object
) -> Project:
    """A project whose class '2' has fewer labels than the others; with 36 unlabeled images."""
    settings = {"generate": "gan", "generate_below": 36, "image_size": 16, "strategy": "margin", "holdout_size": 0}
    project = make_project(store, classes=CLASSES, batch_size=4, reserve_size=0, **{**settings, **changes})
    read(store, project, 0, labels or LABELS, labels="use")
    read(store, project, 60, dict.fromkeys(CLASSES, 12), labels="hide")
    if validation:
        read(store, project, 80, dict.fromkeys(CLASSES, 10), split="validation")
    return project
