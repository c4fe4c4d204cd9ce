"""The supervised recipe: one loop, the same for 20 and for 50,000 labels, that a kill cannot change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from pipeline.augmentation.adversarial import check_copies
from pipeline.augmentation.adversarial_training import UnlabeledImages, check_unlabeled
from pipeline.errors import TrainingError
from pipeline.models.state import private_randomness
from pipeline.training.head import check_two_parts, retrain_head
from pipeline.training.labeled import LabeledImages, TrainingReport
from pipeline.training.mixture import check_pseudo
from pipeline.training.recipes import SupervisedRecipe
from pipeline.training.run import Run
from pipeline.training.synthetic import check_synthetic
from pipeline.training.validation import validate

if TYPE_CHECKING:
    from pipeline.training.process_group import ProcessGroup

Progress = Callable[[int, int, str], None]

_Images = LabeledImages | None
_Given = tuple[
    nn.Module, LabeledImages, SupervisedRecipe, int, torch.device, _Images, _Images, _Images, _Images,
    UnlabeledImages | None,
]  # fmt: skip

_TELL_EVERY = 20  # steps between two calls of on_progress


def train(
    model: nn.Module,
    labeled: LabeledImages,
    recipe: SupervisedRecipe,
    *,
    seed: int,
    device: torch.device,
    copies: LabeledImages | None = None,
    pseudo: LabeledImages | None = None,
    validation: LabeledImages | None = None,
    synthetic: LabeledImages | None = None,
    unlabeled: UnlabeledImages | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 10.0,
    on_progress: Progress | None = None,
    group: ProcessGroup | None = None,
) -> TrainingReport:
    """Train a classifier in place; it is left on `device`, in eval mode.

    On a CPU, and with as many threads, the same arguments give the same weights, resumed or not.

    Args:
        model: Takes float images (B, C, S, S) in [0, 1] and gives logits (B, K).
        labeled: The labeled images.
        recipe: How to train.
        seed: Of the order, the augmentation and the dropout; the model's first weights are the caller's.
        device: Where to train.
        copies: Adversarial copies of labeled images, with their labels.
        pseudo: Images without a label that an earlier model was sure of, with its classes (CEAL). They change what
            is learned, never how long: the labeled images alone set the steps.
        validation: Images whose labels were known beforehand; the weights best on them are kept.
        synthetic: Generated images with the classes they were made for, under negative ids. They are drawn together
            with the labeled ones, each weighing its weight; the labeled images alone set the steps.
        unlabeled: Images of the pool for a recipe with TRADES, which learns from them without a class.
        checkpoint: A file to take up from when it is there, and to write to on the way and at the end.
        checkpoint_seconds: Least time between two writes.
        on_progress: Called with (steps done, steps planned, a line to show); raising stops the training.
        group: The processes that share this training, each with a part of every batch; all of them call this with
            the same arguments (see `pipeline.training.distributed`). None trains here alone.

    Returns:
        A report of what was done.

    Raises:
        TrainingError: There is nothing to learn from, a class is out of range, a copy, a pseudo-label or a
            synthetic image does not belong, or the loss is not finite.
    """
    synthetic = synthetic or None
    check_images(model, labeled, copies, pseudo, validation, synthetic)
    if recipe.decoupled:
        check_two_parts(model)
    unlabeled = unlabeled or None
    if unlabeled is not None:
        check_unlabeled(unlabeled, recipe.adversarial, labeled.ids[:0] if validation is None else validation.ids)
    given: _Given = (model.to(device), labeled, recipe, seed, device, copies, pseudo, validation, synthetic, unlabeled)
    with private_randomness(), _run(given, group) as run:
        run.resume(checkpoint)
        written = time.monotonic()
        model.train()
        while run.step < run.schedule.last:
            run.advance()
            if checkpoint is not None and time.monotonic() - written >= checkpoint_seconds:
                run.save(checkpoint)
                written = time.monotonic()
            if on_progress is not None and (run.step % _TELL_EVERY == 0 or run.step == run.schedule.last):
                on_progress(run.step, run.schedule.last, "training")
        report = run.finish()
        if checkpoint is not None:
            run.save(checkpoint)
        if recipe.decoupled:
            report = _with_new_head(run, report)
    model.zero_grad(set_to_none=True)
    model.eval()
    return report


@contextmanager
def _run(given: _Given, group: ProcessGroup | None) -> Iterator[Run]:
    """Give the run; several processes and their libraries are imported only where there are several."""
    if group is None:
        yield Run(*given)
        return
    from pipeline.training.distributed import DistributedRun
    from pipeline.training.whole_batch import whole_batch_layers

    with whole_batch_layers(given[0]) as rows:
        yield DistributedRun(*given, group=group, rows=rows)


def _with_new_head(run: Run, report: TrainingReport) -> TrainingReport:
    """Train the head of a finished run's model anew; a run that is taken up does it again, with the same result."""
    began = time.monotonic()
    retrain_head(run.model, run.balanced, run.recipe, seed=run.seed, labels=len(run.labeled))
    accuracy = None if run.validation is None else validate(run.model, run.validation, run.device).accuracy
    seconds = round(report.seconds + time.monotonic() - began, 3)
    return replace(report, seconds=seconds, validation_accuracy=accuracy)


def check_images(
    model: nn.Module,
    labeled: LabeledImages,
    copies: LabeledImages | None,
    pseudo: LabeledImages | None,
    validation: LabeledImages | None,
    synthetic: LabeledImages | None = None,
) -> None:
    """Make sure that a model can learn from these images, and that they belong together.

    Raises:
        TrainingError: As `train` says.
    """
    if len(labeled) == 0:
        raise TrainingError("expected labeled images, got none; label some first")
    classes = getattr(getattr(model, "architecture", None), "classes", None)
    named = {"labeled": labeled, "copies": copies, "pseudo-labeled": pseudo, "validation": validation}
    for name, images in {**named, "synthetic": synthetic}.items():
        if images is None or len(images) == 0:
            continue
        if images.weights is not None and name not in ("labeled", "synthetic"):
            raise TrainingError(f"expected weights on labeled and synthetic images alone, got {name} ones with weights")
        low, high = int(images.targets.min()), int(images.targets.max())
        if low < 0 or (classes is not None and high >= classes):
            raise TrainingError(f"expected {name} classes from 0 to {classes}, exclusive, got {low} to {high}")
    if validation is not None and not set(labeled.ids.tolist()).isdisjoint(validation.ids.tolist()):
        raise TrainingError("expected validation images apart from the labeled ones, got some in both")
    if copies is not None and len(copies):
        check_copies(copies, labeled, validation)
    if pseudo is not None and len(pseudo):
        check_pseudo(pseudo, labeled, validation)
    if synthetic is not None and len(synthetic):
        check_synthetic(synthetic, labeled, validation)
