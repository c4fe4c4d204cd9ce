"""Strategies that choose a batch by where images lie in feature space, with or without a trained model."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StrategyError
from pipeline.features.embedding import SOURCES, Embedder, source_of
from pipeline.features.store import FeatureStore
from pipeline.strategies.base import Arrays, QueryContext, Selection, check_request
from pipeline.strategies.one_pass import Block, Collector, OnePass, Wants
from pipeline.strategies.ranking import classes_of


@dataclass(frozen=True)
class Space:
    """What a choice by features is made from.

    Attributes:
        context: The request.
        pool: Features of the pool, rows by id.
        labeled: Features of the labeled images, float32 (L, D), by id.
    """

    context: QueryContext
    pool: FeatureStore
    labeled: NDArray[np.float32]


@dataclass(frozen=True)
class Choice:
    """Rows of the pool's features.

    Attributes:
        rows: int64 (k,), best first.
        scores: float64 (k,).
        figures: For the diagnostics.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    figures: dict[str, float | int | str]


@dataclass(frozen=True, kw_only=True)
class ByFeatures(OnePass):
    """A choice in feature space.

    Attributes:
        features: 'auto' is the model's where there is one and the autoencoder's otherwise; or 'model', 'autoencoder'
            and 'contrastive' (both learned from the pool without labels), or 'pretrained' (a torchvision backbone).
        backbone: Network of 'pretrained'.
        weights: 'download' or a safetensors file, for 'pretrained'.
    """

    features: str = "auto"
    backbone: str = "resnet18"
    weights: str = "download"

    needs_model: ClassVar[bool] = False
    descending: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.features not in SOURCES:
            raise StrategyError(f"expected features from one of {', '.join(SOURCES)}, got {self.features!r}")

    @abstractmethod
    def choose(self, space: Space, k: int) -> Choice:
        """Return k rows of the pool's features."""

    def select(self, context: QueryContext, k: int) -> Selection:
        """Return the k images to ask."""
        check_request(self, context, k)
        source = source_of(context, self.features)
        if source == "model":
            return super().select(context, k)
        embedder = Embedder(context, source, self.backbone, self.weights)
        return self._select(context, embedder, self._embedded(context, embedder), k)

    def collector(self, context: QueryContext, k: int) -> Collector:
        """Return what writes the model's features down and chooses in the end."""
        return _Writer(self, context, k)

    def _embedded(self, context: QueryContext, embedder: Embedder) -> FeatureStore:
        """Return the pool's features by a network that is not the model, which the parent has learned or read."""
        if context.runner is None or context.scratch is None:
            return embedder.store(context.pool)
        store = FeatureStore(context.pool.ids, context.scratch)
        for part in context.runner.run(EmbedShard(embedder.source, self.backbone, self.weights), context):
            store.put_rows(part["ids"], part["features"])
        return store

    def _select(self, context: QueryContext, embedder: Embedder, pool: FeatureStore, k: int) -> Selection:
        space = Space(context, pool, _labeled_features(context, embedder, pool.rows.shape[1]))
        choice = self.choose(space, k)
        ids = pool.ids[choice.rows]
        predicted, nearest = classes_of(context, ids)
        return Selection(
            ids=ids,
            scores=choice.scores,
            predicted=predicted,
            nearest=nearest,
            descending=self.descending,
            diagnostics={"features": embedder.source, **choice.figures},
        )


@dataclass(frozen=True)
class EmbedShard:
    """Features of a shard by a network that is not the model; a learned one is read from the scratch folder."""

    source: str
    backbone: str
    weights: str

    def run(self, context: QueryContext) -> Arrays:
        """Return ids and features."""
        store = Embedder(context, self.source, self.backbone, self.weights).store(context.pool)
        return {"ids": store.ids, "features": store.rows}


class _Writer:
    """Writes the features of each block into the store."""

    wants = Wants(features=True)

    def __init__(self, strategy: ByFeatures, context: QueryContext, k: int) -> None:
        self.strategy, self.context, self.k = strategy, context, k
        self.embedder = Embedder(context, "model", strategy.backbone, strategy.weights)
        self.store = FeatureStore(context.pool.ids, context.scratch)

    def collect(self, block: Block) -> None:
        self.store.put(block.ids, block.need_features())

    def kept(self) -> Arrays:
        return {"ids": self.store.ids, "features": self.store.rows}

    def merge(self, kept: Arrays) -> None:
        self.store.put_rows(kept["ids"], kept["features"])

    def selection(self) -> Selection:
        return self.strategy._select(self.context, self.embedder, self.store, self.k)


def _labeled_features(context: QueryContext, embedder: Embedder, width: int) -> NDArray[np.float32]:
    if not len(context.labeled_ids):
        return np.empty((0, width), dtype=np.float32)
    if context.labeled_images is None or not len(context.labeled_images):
        raise StrategyError(
            f"expected the images of the {len(context.labeled_ids)} labels, got none; give the context labeled_images"
        )
    return np.asarray(embedder.store(context.labeled_images, quiet=True).rows, dtype=np.float32)
