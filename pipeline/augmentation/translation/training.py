"""Trains a translation from a common class to a rare one, from images that need not be paired."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from pipeline.augmentation.gan.sheet import sheet_of
from pipeline.augmentation.translation.applying import translate
from pipeline.augmentation.translation.maker import TranslationMaker
from pipeline.augmentation.translation.networks import check_shape
from pipeline.augmentation.translation.recipe import TranslationRecipe, TranslationReport
from pipeline.augmentation.translation.session import Session
from pipeline.errors import TrainingError
from pipeline.models.state import private_randomness
from pipeline.training.labeled import LabeledImages

Progress = Callable[[int, int, str], None]
OnSheet = Callable[[int, Tensor], None]

_TELL_EVERY = 20  # steps between two calls of on_progress
_SHEET = 16  # translations on a sheet


def train_translation(
    recipe: TranslationRecipe,
    common: LabeledImages,
    rare: LabeledImages,
    *,
    seed: int,
    device: torch.device,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 10.0,
    on_progress: Progress | None = None,
    on_sheet: OnSheet | None = None,
) -> tuple[TranslationMaker, TranslationReport]:
    """Learn to turn images of a common class into images of a rare one (CycleGAN, arXiv:1703.10593).

    On a CPU, and with as many threads, the same arguments give the same weights, resumed or not.

    Args:
        recipe: How to train.
        common: Labeled images of one class; the maker draws from them. Of the training labels only.
        rare: Labeled images of another class, two or more.
        seed: Of the first weights, the order and the changes of images.
        device: Where to train.
        checkpoint: A file to take up from when it is there, and to write to on the way and at the end.
        checkpoint_seconds: Least time between two writes.
        on_progress: Called with (steps done, steps planned, a line to show); raising stops the training.
        on_sheet: Called with (steps done, uint8 (C, H, W)) at each look, 20 a training: a row of common images, and
            below their translations.

    Returns:
        The maker, whose generator lies on `device`, and a report. Do not use the maker of a training that collapsed.

    Raises:
        TrainingError: The images do not belong together, or a loss is not finite.
        ModelError: The images are too small or not square.
    """
    source, target = check_pair(common, rare)
    with private_randomness():
        session = Session(recipe, common, rare, seed, device)
        session.resume(checkpoint)
        _run(session, checkpoint, checkpoint_seconds, on_progress, on_sheet)
    translator = session.networks.averaged.eval()
    return TranslationMaker(translator=translator, source=source, target=target, common=common), _report(session)


def check_pair(common: LabeledImages, rare: LabeledImages) -> tuple[int, int]:
    """Return the common and the rare class position.

    Raises:
        TrainingError: There are not two classes of images of one shape, each of its own.
        ModelError: The images are too small or not square.
    """
    source, target = _class_of(common, "common"), _class_of(rare, "rare")
    if source == target:
        raise TrainingError(f"expected two classes, got class {source} twice; translate from another class")
    if len(rare) < 2:
        raise TrainingError("expected 2 images of the rare class or more, got 1; label more of it")
    if common.images.shape[1:] != rare.images.shape[1:]:
        raise TrainingError(
            f"expected images of one shape, got {tuple(common.images.shape[1:])} and {tuple(rare.images.shape[1:])}"
        )
    if not set(common.ids.tolist()).isdisjoint(rare.ids.tolist()):
        raise TrainingError("expected each sample in one class, got some in both; look at the labels")
    check_shape(tuple(common.images.shape[1:]))
    return source, target


def _class_of(images: LabeledImages, name: str) -> int:
    classes = sorted(set(images.targets.tolist()))
    if len(classes) != 1:
        raise TrainingError(f"expected {name} images of one class, got {len(images)} of classes {classes}")
    return int(classes[0])


def _run(
    session: Session,
    checkpoint: Path | None,
    checkpoint_seconds: float,
    on_progress: Progress | None,
    on_sheet: OnSheet | None,
) -> None:
    steps, written = session.recipe.steps, time.monotonic()
    while not session.done:
        looked = session.advance()
        if checkpoint is not None and (session.done or time.monotonic() - written >= checkpoint_seconds):
            session.save(checkpoint)
            written = time.monotonic()
        if looked and on_sheet is not None:
            on_sheet(session.step, _sheet(session))
        if on_progress is not None and (session.done or session.step % _TELL_EVERY == 0):
            on_progress(session.step, steps, "learning to translate")


def _sheet(session: Session) -> Tensor:
    probes = session.watch.probes[:_SHEET]
    return sheet_of([_as_bytes(probes), translate(session.networks.averaged, probes)])


def _as_bytes(images: Tensor) -> Tensor:
    return images.cpu() if images.dtype == torch.uint8 else (images.cpu().clamp(0, 1) * 255).round().to(torch.uint8)


def _report(session: Session) -> TranslationReport:
    watch = session.watch
    return TranslationReport(
        source=int(session.common.targets[0]),
        target=int(session.rare.targets[0]),
        common=len(session.common),
        rare=len(session.rare),
        steps=session.step,
        planned=session.recipe.steps,
        seconds=round(session.elapsed(), 3),
        cycle_loss=session.cycle_loss,
        discriminator_loss=session.discriminator_loss,
        spread=watch.spread,
        change=watch.change,
        collapsed=watch.reason is not None,
        reason=watch.reason,
        device=str(session.device),
    )
