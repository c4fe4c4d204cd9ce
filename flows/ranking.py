"""Chooses what a round asks: the strategy that is due, what it may look at, and what is kept of its choice."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from db import copies as copy_store
from db import model_versions, samples
from db.records import ModelVersion, Project, Round
from flows.confirm import look_for_sure
from flows.devices import device_slot
from flows.errors import UsageError
from flows.learning import device_of, load_version
from flows.report import Reporter
from flows.shards.runners import shard_runner
from flows.store import Store
from flows.training_data import COPY_ROUNDS, open_pool
from pipeline.data.pool import ImagePool
from pipeline.errors import StrategyError
from pipeline.randomness import derive_seed
from pipeline.strategies.base import QueryContext, Selection, ShardRunner, Strategy
from pipeline.strategies.copies import MadeCopies, WithCopies, copy_rounds
from pipeline.strategies.registry import get_strategy
from pipeline.strategies.shards import select

logger = logging.getLogger(__name__)

NEIGHBORS = 5  # labeled images that are shown beside a query


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """What a strategy chose.

    Attributes:
        selection: The images to ask, best first; None when the pool is empty.
        strategy: The strategy's repr, the record that is kept.
        diagnostics: Figures about the ranking, kept with the round.
        neighbors: int64 (k, up to 5), sample ids of the labeled images nearest to each, -1 where there are fewer; None
            without a model, labels or FAISS.
        originals: uint8 (k, C, S, S), the images that copies were made of; None without copies, or in a simulation.
        again: Ids (A,) of labeled images that were asked in earlier rounds, with new copies of them; None for a
            strategy that makes copies once.
        sure: Images to confirm in the grid, by turns of the predicted classes; None where nobody wants any.
        told: What 'why this image' says of every query alike: strategy, how many images were ranked, whether a large
            score is a good one, and whether there was no model yet.
    """

    selection: Selection | None
    strategy: str
    diagnostics: dict[str, Any]
    neighbors: NDArray[np.int64] | None = None
    originals: Tensor | None = None
    again: tuple[NDArray[np.int64], MadeCopies] | None = None
    sure: Selection | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


def rank(store: Store, project: Project, turn: Round, count: int, reporter: Reporter) -> Ranking:
    """Choose up to `count` images of the unlabeled pool.

    Raises:
        UsageError: There is no model, and both of the project's strategies need one.
    """
    index = samples.pool_index(store.database, project.id, splits=("pool",), labeled=False)
    pool = open_pool(store, index)
    reporter.progress(0, 0, f"ranking {len(pool):,} images")
    strategy = choose_strategy(project, has_model=turn.model_version_id is not None)
    diagnostics: dict[str, Any] = {"pool": len(pool), "strategy": strategy.name}
    if turn.model_version_id is None:
        diagnostics["reason"] = (
            f"labels span fewer than two classes, so there is no model yet: {strategy.name} chose this batch"
        )
    if min(len(pool), count) == 0:
        return Ranking(selection=None, strategy=repr(strategy), diagnostics=diagnostics)
    version = _version(store, turn)
    with device_slot(store, reporter), shard_runner(store, project.id, version) as runner:
        context = _context(store, project, turn, pool, version, reporter, runner)
        selection = select(strategy, context, min(len(pool), count))
        neighbors = find_neighbors(context, selection.ids)
        sure = look_for_sure(context, project, selection.ids)
        again = _make_again(store, turn, context, strategy)
        diagnostics |= {} if runner is None else runner.figures
    shown = selection.copies is not None and project.kind != "simulation"  # nobody looks at a simulation's queries
    return Ranking(
        selection=selection,
        strategy=repr(strategy),
        diagnostics={**selection.diagnostics, **diagnostics, **_figures_of(again)},
        neighbors=neighbors,
        originals=pool.take(selection.ids) if shown else None,
        again=again,
        sure=sure,
        told=_told(strategy, selection, len(pool), turn),
    )


def _make_again(
    store: Store, turn: Round, context: QueryContext, strategy: Strategy
) -> tuple[NDArray[np.int64], MadeCopies] | None:
    """Push the labeled images of the last rounds again with this round's model, for a strategy that wants it."""
    if not isinstance(strategy, WithCopies) or strategy.made != "anew" or context.model is None:
        return None
    rounds = copy_rounds(strategy, COPY_ROUNDS) or COPY_ROUNDS
    ids = copy_store.originals(store.database, turn.project_id, turn.number - rounds + 1, turn.number - 1)
    ids = ids[np.isin(ids, context.labeled_ids)]
    if not len(ids) or context.labeled_images is None:
        return None
    return ids, strategy.push(context, context.labeled_images.take(ids))


def _figures_of(again: tuple[NDArray[np.int64], MadeCopies] | None) -> dict[str, int]:
    if again is None:
        return {}
    made = again[1]
    return {"copies_anew": int(np.isfinite(made.distances).sum()), "copies_anew_rejected": made.rejected}


def _told(strategy: Strategy, selection: Selection, pool: int, turn: Round) -> dict[str, Any]:
    looked_at = selection.diagnostics.get("looked_at")  # a strategy on a sample of the pool ranked only that
    return {
        "strategy": strategy.name,
        "pool": looked_at if isinstance(looked_at, int) else pool,
        "descending": selection.descending,
        "cold_start": turn.model_version_id is None,
    }


def choose_strategy(project: Project, *, has_model: bool) -> Strategy:
    """Return the project's strategy, or that of its cold start while the first one lacks the model it needs.

    A simulation always begins with its cold start: strategies are compared from the same first labels.

    Raises:
        UsageError: That of the cold start needs a model, too.
    """
    strategy = get_strategy(project.strategy)
    if has_model or (not strategy.needs_model and project.kind != "simulation"):
        return strategy
    cold_start = get_strategy(project.cold_start)
    if cold_start.needs_model:
        raise UsageError(
            f"expected a strategy without a model for the cold start of {project.name!r}, got {project.cold_start!r}; "
            f"do: borderline project edit {project.name} --cold-start typiclust"
        )
    return cold_start


def _version(store: Store, turn: Round) -> ModelVersion | None:
    if turn.model_version_id is None:
        return None
    return model_versions.get(store.database, store.actor, turn.project_id, turn.model_version_id)


def _context(
    store: Store,
    project: Project,
    turn: Round,
    pool: ImagePool,
    version: ModelVersion | None,
    reporter: Reporter,
    runner: ShardRunner | None,
) -> QueryContext:
    ids, targets = samples.labeled(store.database, project.id)
    images = open_pool(store, samples.pool_index(store.database, project.id, splits=("pool",), labeled=True))
    there = np.isin(ids, images.ids)  # one may have been deleted between the two readings
    model = None if version is None else load_version(store, version).to(device_of(store)).eval()
    # A model of this round may be older than a class that was added since: labels of that one are not for it yet.
    outputs = len(project.classes) if model is None else model.architecture.classes
    there &= targets < (project.outputs if model is None else outputs)
    return QueryContext(
        pool=pool,
        labeled_ids=ids[there],
        labeled_targets=targets[there],
        labeled_images=images.subset(ids[there]),
        model=model,
        classes=outputs,
        seed=derive_seed(project.seed, "query", turn.number),
        device=device_of(store),
        on_progress=reporter.progress,
        round_number=turn.number,
        scratch=store.settings.project_folder(project.id, "embedders"),
        runner=runner,
    )


def find_neighbors(context: QueryContext, ids: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return the labeled images (k, 5) nearest to each image, -1 where there are fewer; None where none can be told.

    They are only to look at: where they cannot be told (no FAISS, a model without features, features beyond half
    precision) the same queries are asked without them, and the log says so once.
    """
    if context.model is None or not len(context.labeled_ids):
        return None
    try:
        from pipeline.features.neighbors import nearest_labeled

        return nearest_labeled(context, ids, NEIGHBORS)
    except (ImportError, StrategyError) as error:
        _say_once(str(error))
        return None


@functools.cache
def _say_once(why: str) -> None:
    logger.warning("queries are stored without their nearest labeled images: %s", why)
