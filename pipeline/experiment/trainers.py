"""Trains the models of several runs: one after the other, or on a GPU as one batched program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from pipeline.training.batched import Lesson, can_batch, train_batched
from pipeline.training.dispatch import Recipe, train_by
from pipeline.training.labeled import TrainingReport
from pipeline.training.recipes import SupervisedRecipe

Progress = Callable[[int, int, str], None]


def train_lessons(
    lessons: Sequence[Lesson],
    recipe: Recipe,
    *,
    device: torch.device,
    together: bool,
    on_progress: Progress | None = None,
) -> Iterator[tuple[int, TrainingReport]]:
    """Train every lesson's model in place and yield (its position, its report) as soon as it is done.

    Args:
        lessons: Models with what they learn.
        recipe: How to train.
        device: Where to; the models are left there, in eval mode.
        together: As one batched program, where the network (one with BatchNorm cannot) and the recipe can.
        on_progress: Called with (steps done, steps planned, a line to show); raising stops.
    """
    if together and len(lessons) > 1 and isinstance(recipe, SupervisedRecipe) and can_batch(lessons[0].model, recipe):
        yield from enumerate(train_batched(lessons, recipe, device=device, on_progress=on_progress))
        return
    for place, lesson in enumerate(lessons):
        report = train_by(
            recipe,
            lesson.model,
            lesson.labeled,
            seed=lesson.seed,
            device=device,
            copies=lesson.copies,
            pseudo=lesson.pseudo,
            synthetic=lesson.synthetic,
            on_progress=on_progress,
        )
        yield place, report
