"""What a strategy is given, what it gives back, and the checks that all share.

A strategy is a frozen dataclass with keyword-only fields; its repr is the record kept with every round. It leaves the
model as it found it, and neither the pool's order nor the batch size changes its choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.data.pool import ImagePool
from pipeline.errors import StrategyError
from pipeline.models.state import device_and_type

Ids = NDArray[np.int64]
Progress = Callable[[int, int, str], None]
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class QueryContext:
    """All that a strategy may look at.

    Attributes:
        pool: The unlabeled images, and no others.
        labeled_ids: int64 (L,), samples with labels.
        labeled_targets: int64 (L,), their class positions.
        labeled_images: Their images, for strategies that compare with them; None if not at hand.
        model: The current classifier, on `device`; None before there is one.
        classes: Number of classes K.
        seed: Of everything random.
        device: Where to compute.
        on_progress: Called with (done, total, a line to show); raising stops the ranking.
        batch_size: Images at a time; None lets the image size decide. Never changes the choice.
        round_number: Which round this is, from 1; for strategies that change from round to round.
        scratch: Folder for learned embedders, which later rounds use again; None learns them anew.
        runner: Does the work on the pool's shards, here or elsewhere; None looks at the pool in this process.
    """

    pool: ImagePool
    model: nn.Module | None
    classes: int
    seed: int
    labeled_ids: Ids = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    labeled_targets: Ids = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    labeled_images: ImagePool | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    on_progress: Progress | None = None
    batch_size: int | None = None
    round_number: int = 1
    scratch: Path | None = None
    runner: ShardRunner | None = None


class ShardTask(Protocol):
    """A piece of a ranking that is done on one shard: a small frozen dataclass, for it travels to other machines."""

    def run(self, context: QueryContext) -> Arrays:
        """Return plain arrays about the context's pool, which is one shard."""
        ...


class ShardRunner(Protocol):
    """Does a task on every shard of a pool."""

    def run(self, task: ShardTask, context: QueryContext) -> Iterator[Arrays]:
        """Yield what the task gives for each shard, in any order; each image of the context's pool is in one."""
        ...

    def leave(self, name: str, why: str) -> None:
        """Take note that a strategy looks at the whole pool in this process instead."""
        ...


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The images to ask, best first, ties by id.

    Attributes:
        ids: int64 (k,), unique ids of the pool.
        scores: float64 (k,), in the strategy's own unit.
        predicted: int64 (k,), the model's class; -1 without a model.
        nearest: int64 (k,), the nearest other class; -1 where there is none.
        copies: float32 (k, C, S, S), images pushed just over the border; None for a strategy without copies. NaN where
            no copy could be made.
        copy_distances: float64 (k,), lengths of the pushes; inf where no copy could be made; None without copies.
        descending: Whether the best score is the largest; shards' selections merge by it.
        pseudo_ids: int64 (P,), images of the pool that the model is sure of, for the next training; None without.
        pseudo_targets: int64 (P,), the model's classes for them.
        diagnostics: Figures about the ranking, kept with the round.
    """

    ids: Ids
    scores: NDArray[np.float64]
    predicted: Ids
    nearest: Ids
    copies: Tensor | None = None
    copy_distances: NDArray[np.float64] | None = None
    descending: bool = False
    pseudo_ids: Ids | None = None
    pseudo_targets: Ids | None = None
    diagnostics: dict[str, float | int | str] = field(default_factory=dict)


@runtime_checkable
class Strategy(Protocol):
    """What every strategy offers; a user's own class with these works the same."""

    @property
    def name(self) -> str:
        """What it is called in records and on pages."""
        ...

    @property
    def needs_model(self) -> bool:
        """Whether a context without a model is an error."""
        ...

    @property
    def makes_copies(self) -> bool:
        """Whether its selections carry adversarial copies."""
        ...

    def select(self, context: QueryContext, k: int) -> Selection:
        """Return the k images to ask.

        Raises:
            StrategyError: k is above the pool, the pool is empty, or the model is missing or unfit.
        """
        ...


def can_merge(strategy: Strategy) -> bool:
    """Return whether a strategy's selections of shards merge to that of the whole pool: it says so by `mergeable`."""
    return bool(getattr(strategy, "mergeable", False))


def check_request(strategy: Strategy, context: QueryContext, k: int) -> None:
    """Make sure that a request can be met, before any work is done.

    Raises:
        StrategyError: It cannot; the text says why.
    """
    if len(context.pool) == 0:
        raise StrategyError("expected a pool with unlabeled images, got an empty one; ingest more images")
    if not 1 <= k <= len(context.pool):
        raise StrategyError(
            f"expected to ask from 1 to the pool's {len(context.pool)} images, got {k}; ask fewer, or ingest more"
        )
    if context.classes < 2:
        raise StrategyError(f"expected 2 classes or more, got {context.classes}; add a class to the project")
    if context.model is not None:
        _check_device(context.model, context.device)
    elif strategy.needs_model:
        raise StrategyError(
            f"expected a trained model for {strategy.name}, got none; start with typiclust or random_sampling, train, "
            "and ask again"
        )


def model_of(context: QueryContext) -> nn.Module:
    """Return the context's model.

    Raises:
        StrategyError: There is none.
    """
    if context.model is None:
        raise StrategyError("expected a trained model, got none; start with random_sampling, train, and ask again")
    return context.model


def take_best(ids: Ids, scores: NDArray[np.float64], k: int, *, largest: bool = False) -> NDArray[np.intp]:
    """Return the positions (k,) of the best scores, best first, ties by id.

    Args:
        ids: int64 (N,).
        scores: float64 (N,).
        k: In [0, N].
        largest: Whether large scores are the best; small ones otherwise.

    Raises:
        StrategyError: A score is NaN.

    >>> take_best(np.array([7, 3, 5]), np.array([0.2, 0.2, 0.1]), 2).tolist()
    [2, 1]
    """
    if np.isnan(scores).any():
        raise StrategyError(f"expected a score for each image, got NaN for sample {int(ids[np.isnan(scores)][0])}")
    return np.lexsort((ids, -scores if largest else scores))[:k]


def _check_device(model: nn.Module, device: torch.device) -> None:
    found = device_and_type(model)[0]
    if found.type != device.type:
        raise StrategyError(f"expected the model on {device}, got it on {found}; call model.to({str(device)!r}) first")
