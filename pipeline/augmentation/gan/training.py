"""Trains a generator: one loop, on a GPU or (slowly, small) on a CPU, that a kill cannot change and a collapse ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.augmentation.gan.collapse import Look
from pipeline.augmentation.gan.maker import GanMaker
from pipeline.augmentation.gan.recipe import GanRecipe
from pipeline.augmentation.gan.run import Run
from pipeline.augmentation.gan.sheet import sheet_of
from pipeline.errors import TrainingError
from pipeline.models.state import private_randomness
from pipeline.training.labeled import LabeledImages
from pipeline.training.supervised import Progress

OnSheet = Callable[[int, Tensor], None]

_TELL_EVERY = 20  # steps between two calls of on_progress


@dataclass(frozen=True, kw_only=True)
class GanReport:
    """What a generator's training came to.

    Attributes:
        steps: Generator steps done.
        planned: Generator steps of the recipe.
        seconds: Wall time, over all resumptions.
        collapsed: Whether training was ended because it had collapsed; the generator is not worth using then.
        reason: Why, one sentence for people; None when it has not.
        looks: What was seen on the way.
        labeled: Labeled images that trained.
        trusted: Pseudo-labeled ones.
        pool: Unlabeled ones.
        device: Where it ran, such as 'cpu' or 'cuda:0'.
    """

    steps: int
    planned: int
    seconds: float
    collapsed: bool
    reason: str | None
    looks: tuple[Look, ...]
    labeled: int
    trusted: int
    pool: int
    device: str


def train_gan(
    recipe: GanRecipe,
    labeled: LabeledImages,
    *,
    classes: int,
    pool: Tensor | None,
    trusted: LabeledImages | None,
    seed: int,
    device: torch.device,
    pool_shares: Sequence[float] | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 30.0,
    on_progress: Progress | None = None,
    on_sheet: OnSheet | None = None,
) -> tuple[GanMaker, GanReport]:
    """Train a generator of images by class.

    On a CPU, and with as many threads, the same arguments give the same weights, resumed or not.

    Args:
        recipe: All choices.
        labeled: uint8 images (N, C, S, S) with labels; never validation or test images.
        classes: Number of classes K.
        pool: uint8 (P, C, S, S) without labels, to learn from what is real; None without a pool.
        trusted: Pool images with pseudo-labels, see `trusted_by_class`; None for labels alone.
        seed: Of the first weights and of all draws.
        device: Where to train.
        pool_shares: Share of each class in the pool (K,), such as a model's mean probabilities over it. None takes the
            labels' shares, which fit a pool that labels were drawn from at random.
        checkpoint: A file to take up from when it is there, and to write to on the way and at the end.
        checkpoint_seconds: Least time between two writes.
        on_progress: Called with (steps done, steps planned, a line to show); raising stops the training.
        on_sheet: Called with (steps done, uint8 (C, H, W)) at each look: samples, one row a class.

    Returns:
        The maker, with the averaged weights, on `device`; and a report, which says whether training collapsed.

    Raises:
        TrainingError: There is nothing to learn from, the images do not fit together, or a loss is not finite.
    """
    _check(labeled, classes, pool, trusted, pool_shares)
    with private_randomness():
        run = Run(recipe, labeled, trusted, pool, classes=classes, shares=pool_shares, seed=seed, device=device)
        run.resume(checkpoint)
        written = time.monotonic()
        while not run.done:
            run.advance()
            if run.due:
                samples = run.look()
                if on_sheet is not None:
                    on_sheet(run.step, sheet_of(list(samples)))
            if checkpoint is not None and (run.done or time.monotonic() - written >= checkpoint_seconds):
                run.save(checkpoint)
                written = time.monotonic()
            if on_progress is not None and (run.step % _TELL_EVERY == 0 or run.done):
                on_progress(run.step, recipe.steps, "training the generator")
        run.settle(1.0)
    pooled = 0 if pool is None else len(pool)
    report = GanReport(
        steps=run.step, planned=recipe.steps, seconds=round(run.spent, 3), collapsed=run.reason is not None,
        reason=run.reason, looks=tuple(run.looks), labeled=len(labeled), trusted=len(trusted) if trusted else 0,
        pool=pooled, device=str(device),
    )  # fmt: skip
    return GanMaker(run.average, recipe), report


def _check(
    labeled: LabeledImages,
    classes: int,
    pool: Tensor | None,
    trusted: LabeledImages | None,
    shares: Sequence[float] | None,
) -> None:
    if len(labeled) == 0:
        raise TrainingError("expected labeled images, got none; label some first")
    shape = labeled.images.shape[1:]
    guessed = trusted.images if trusted else None
    for name, images in {"labeled": labeled.images, "trusted": guessed, "pool": pool}.items():
        if images is None or len(images) == 0:
            continue
        if images.dtype != torch.uint8 or images.shape[1:] != shape or shape[-1] != shape[-2]:
            raise TrainingError(
                f"expected {name} images as uint8 (N, C, S, S), all alike, got {images.dtype} {tuple(images.shape)}"
            )
    for name, targets in {"labeled": labeled.targets, "trusted": trusted.targets if trusted else None}.items():
        if targets is not None and not 0 <= int(targets.min()) <= int(targets.max()) < classes:
            raise TrainingError(f"expected {name} classes from 0 to {classes}, exclusive, got others")
    if shares is not None and (len(shares) != classes or min(shares) < 0 or sum(shares) <= 0):
        raise TrainingError(f"expected pool_shares of {classes} classes, none negative, got {list(shares)}")
