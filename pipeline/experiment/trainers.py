"""Trains the models of several runs: one after the other, or on a GPU as one batched program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from pipeline.experiment.protocols import Recipe
from pipeline.models.base import Classifier
from pipeline.training.labeled import LabeledImages, TrainingReport
from pipeline.training.supervised import train

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What one model learns.

    Attributes:
        model: With its first weights.
        labeled: The labeled images.
        seed: Of order, augmentation and dropout.
        copies: Adversarial copies.
        pseudo: Pseudo-labeled images.
    """

    model: Classifier
    labeled: LabeledImages
    seed: int
    copies: LabeledImages | None = None
    pseudo: LabeledImages | None = None


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
        together: Whether as one batched program.
        on_progress: Called with (steps done, steps planned, a line to show); raising stops.
    """
    for place, lesson in enumerate(lessons):
        yield (
            place,
            train(
                lesson.model,
                lesson.labeled,
                recipe,
                seed=lesson.seed,
                device=device,
                copies=lesson.copies,
                pseudo=lesson.pseudo,
                on_progress=on_progress,
            ),
        )
