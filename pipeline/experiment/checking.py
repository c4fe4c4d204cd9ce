"""Finds out in seconds what would stop a comparison after hours: every strategy is tried on a few images."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.errors import ExperimentError, PipelineError
from pipeline.experiment.augmentations import Augment, parse_augment
from pipeline.experiment.data import ExperimentData
from pipeline.experiment.planning import arms, network_of, strategy_spec
from pipeline.experiment.protocols import strategy_of
from pipeline.experiment.records import Settings
from pipeline.models.base import Classifier
from pipeline.models.registry import build_model
from pipeline.strategies.base import QueryContext
from pipeline.strategies.registry import get_strategy
from pipeline.training.recipes import recipe_by_name

_LABELED, _POOL, _ASKED = 4, 12, 2


def check(settings: Settings, data: ExperimentData) -> None:
    """Make sure that a comparison can be run; call it before any work.

    Each strategy asks two of a few images with an untrained model: one that needs what the model has not (BALD without
    dropout), or a package that is not there, fails here.

    Raises:
        ExperimentError: It cannot, or an augmentation is unknown; the text names the arm and says why.
        DataError: There are too few images, or the imbalance is beyond them.
        StrategyError: A strategy or a cold start is unknown.
        ModelError: A network is unknown, or does not suit the images.
    """
    data = data.for_settings(settings)
    _check_settings(settings, data)
    models = {name: _untrained(name, data) for name in {network_of(arm, settings) for arm in arms(settings)}}
    for spec in dict.fromkeys(strategy_spec(arm) for arm in arms(settings) if not arm.trains):
        _try(spec, settings, data, models[settings.model])


def _check_settings(settings: Settings, data: ExperimentData) -> None:
    if settings.labels > len(data.pool):
        raise ExperimentError(
            f"expected at most {len(data.pool):,} labels, the images of the pool, got {settings.labels:,}"
        )
    if settings.transfer is not None and settings.transfer[0] != settings.model:
        raise ExperimentError(
            f"expected a transfer from {settings.model}, the network that asks, got one from {settings.transfer[0]}"
        )
    _check_augment(settings)
    if settings.copy_rounds < 1:
        raise ExperimentError(f"expected copies to train for 1 round or more, got {settings.copy_rounds}")
    if settings.protocol == "fair" and settings.recipe != "tuned":
        recipe_by_name(settings.recipe)
    if get_strategy(settings.cold_start).needs_model:
        raise ExperimentError(
            f"expected a cold start without a model, got {settings.cold_start!r}; take random_sampling or typiclust"
        )


def _check_augment(settings: Settings) -> None:
    for name in settings.augment:
        asked = parse_augment(name)
        if settings.protocol == "paper" and asked not in (Augment(), Augment(copies=True)):
            raise ExperimentError(
                f"expected augment none or copies in the paper's protocol, which trains as the paper does, got {name!r}"
            )


def _untrained(name: str, data: ExperimentData) -> Classifier:
    channels, _, side = data.pool.image_shape
    return build_model(name, classes=len(data.classes), channels=channels, image_size=side, seed=0).eval()


def _try(spec: str, settings: Settings, data: ExperimentData, model: Classifier) -> None:
    strategy = strategy_of(spec, settings.protocol)
    known, pool = np.split(data.pool.ids[: _LABELED + _POOL], [min(_LABELED, len(data.pool) // 2)])
    context = QueryContext(
        pool=data.pool.subset(pool),
        model=model,
        classes=len(data.classes),
        seed=0,
        labeled_ids=known,
        labeled_targets=data.targets_of(known),
        labeled_images=data.pool.subset(known),
        device=torch.device("cpu"),
        round_number=2,
    )
    try:
        strategy.select(context, min(_ASKED, len(pool)))
    except (PipelineError, ImportError) as error:
        raise ExperimentError(f"expected {spec!r} to work with {settings.model}, but: {error}") from error
