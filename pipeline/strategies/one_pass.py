"""One look at the pool feeds every strategy that wants to see it: logits, features, networks drawn by dropout.

A strategy gives a collector, which sees the pool block by block and keeps what it needs: the k best so far, or features
in a memory map. Collectors of several strategies share one look. Where the context has a runner, each shard is looked
at by collectors of its own, and what these kept is merged.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.attacks.border import check_logits
from pipeline.data.transforms import to_float
from pipeline.errors import ModelError, StrategyError
from pipeline.features.embedding import require_features
from pipeline.models.mc_dropout import DropoutDraws
from pipeline.models.state import borrowed, device_and_type
from pipeline.randomness import derive_seed
from pipeline.strategies.base import Arrays, QueryContext, Selection, check_request, model_of
from pipeline.training.inference import inference_batch

_ROWS = 2048  # images times draws that pass a network together


@dataclass(frozen=True)
class Wants:
    """What a collector needs beside ids and logits.

    Attributes:
        features: Whether it needs the model's features.
        draws: How many networks drawn by dropout.
    """

    features: bool = False
    draws: int = 0

    def __or__(self, other: Wants) -> Wants:
        return Wants(self.features or other.features, max(self.draws, other.draws))


@dataclass(frozen=True)
class Block:
    """A few images of the pool, as the model sees them.

    Attributes:
        ids: int64 (B,).
        logits: (B, K), on the model's device.
        features: (B, D); None if nobody wants them.
        draws: Log probabilities, float64 (S, B, K); None if nobody wants them.
    """

    ids: NDArray[np.int64]
    logits: Tensor
    features: Tensor | None
    draws: Tensor | None

    def need_features(self) -> Tensor:
        """Return the features (B, D) that were asked for."""
        if self.features is None:
            raise StrategyError("expected a look with features, got one without; ask for them in wants")
        return self.features

    def need_draws(self, count: int) -> Tensor:
        """Return the first draws that were asked for, float64 (count, B, K)."""
        if self.draws is None or len(self.draws) < count:
            raise StrategyError(f"expected a look with {count} draws, got fewer; ask for them in wants")
        return self.draws[:count]


class Collector(Protocol):
    """Sees the pool block by block and ends with a selection."""

    @property
    def wants(self) -> Wants:
        """What the blocks must hold."""
        ...

    def collect(self, block: Block) -> None:
        """Take in one block."""
        ...

    def kept(self) -> Arrays:
        """Return what it keeps of a shard: enough that the choice from all shards is that from the pool."""
        ...

    def merge(self, kept: Arrays) -> None:
        """Take in what a collector of its kind kept of a shard."""
        ...

    def selection(self) -> Selection:
        """Return the choice, after the last block or shard."""
        ...


class Collects(Protocol):
    """What gives collectors: a small frozen dataclass."""

    def collector(self, context: QueryContext, k: int) -> Collector:
        """Return what sees the context's pool and chooses k images."""
        ...


class OnePass(ABC):
    """A strategy that reads the pool once; subclasses are frozen dataclasses that give a collector."""

    name: ClassVar[str]
    needs_model: ClassVar[bool] = True
    makes_copies: ClassVar[bool] = False
    spreads: ClassVar[bool] = True

    @abstractmethod
    def collector(self, context: QueryContext, k: int) -> Collector:
        """Return what sees the pool and chooses k images."""

    def select(self, context: QueryContext, k: int) -> Selection:
        """Return the k images to ask."""
        check_request(self, context, k)
        [collector] = collected(context, [self], k)
        return collector.selection()


def collected(context: QueryContext, makers: Sequence[Collects], k: int) -> list[Collector]:
    """Return collectors that have seen the context's pool: in this process, or merged from its runner's shards."""
    collectors = [maker.collector(context, k) for maker in makers]
    if context.runner is None:
        look(context, collectors)
        return collectors
    for part in context.runner.run(LookAtShard(tuple(makers), k), context):
        for place, collector in enumerate(collectors):
            collector.merge(split(part, place))
    return collectors


@dataclass(frozen=True)
class LookAtShard:
    """One look at a shard, for some collectors."""

    makers: tuple[Collects, ...]
    k: int

    def run(self, context: QueryContext) -> Arrays:
        """Return what the collectors keep, each array's name with its collector's place before it."""
        collectors = collected(replace(context, runner=None), self.makers, self.k)
        return joined([collector.kept() for collector in collectors])


def joined(parts: Sequence[Arrays]) -> Arrays:
    """Return several collectors' arrays in one; `split` takes them apart."""
    return {f"{place}/{name}": array for place, part in enumerate(parts) for name, array in part.items()}


def split(arrays: Arrays, place: int) -> Arrays:
    """Return the arrays of the collector at a place.

    >>> split(joined([{"a": np.zeros(1)}, {"a": np.ones(1)}]), 1)["a"].tolist()
    [1.0]
    """
    start = f"{place}/"
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def look(context: QueryContext, collectors: Sequence[Collector]) -> None:
    """Read the context's pool once, in this process, and show it to the collectors.

    The model runs in eval mode and is handed back as it was; one batch is in memory at a time.

    Raises:
        StrategyError: The model is missing, its logits are unfit, or it has not what a collector wants.
    """
    wants = Wants()
    for collector in collectors:
        wants |= collector.wants
    model, pool = model_of(context), context.pool
    device, dtype = device_and_type(model)
    viewer = _Viewer(model, wants, derive_seed(context.seed, "draws"))
    size = context.batch_size or _batch(pool.image_shape, device, wants)
    done = 0
    for ids, images in pool.batches(size):
        with borrowed(model), torch.inference_mode():
            logits, features, draws = viewer.view(to_float(images.to(device), dtype))
            check_logits(logits, context.classes)
            for collector in collectors:
                collector.collect(Block(ids, logits, features, draws))
        done += len(ids)
        if context.on_progress is not None:
            context.on_progress(done, len(pool), "looking at the pool")


def _batch(shape: tuple[int, int, int], device: torch.device, wants: Wants) -> int:
    size = inference_batch(shape, device)
    return max(8, min(size, _ROWS // wants.draws)) if wants.draws else size


class _Viewer:
    """Runs a model on a batch and returns what is wanted."""

    def __init__(self, model: nn.Module, wants: Wants, seed: int) -> None:
        self.model, self.wants = model, wants
        try:
            self.draws = DropoutDraws(model, wants.draws, seed) if wants.draws else None
        except ModelError as error:
            raise StrategyError(str(error)) from error
        if wants.features:
            require_features(model)

    def view(self, images: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return logits (B, K), features (B, D) and draws (S, B, K) of images (B, C, H, W)."""
        features = None
        if self.wants.features:
            classifier = require_features(self.model)
            features = classifier.features(images)
            logits = classifier.head(features)
        else:
            logits = self.model(images)
        return logits, features, self.draws.log_probabilities(images) if self.draws else None
