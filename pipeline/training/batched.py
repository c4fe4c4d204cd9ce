"""Several seeds of one small network trained as one batched program, so that a GPU is full.

A lenet5 at batch 32 leaves a GPU idle: a step is some sixty kernels of a few microseconds. Here S networks share each
kernel. Every network keeps its own images, order, augmentation, dropout, learning rate and early stop, all drawn from
(seed, step) as the plain trainer draws them, so a batch of one, of ten, or of what is left after some stopped trains
each network alike.

Equal to `pipeline.training.supervised.train`: on a CPU to rounding, dropout included (in float64 to 1e-9 relative,
tested; in float32 Adam magnifies rounding, 1e-3 after 30 steps). On a GPU the dropout masks are others than the plain
trainer's, and bfloat16 rounds otherwise: equal in distribution alone. On a CPU it is the slower way (see
benchmarks/batched_training.py), so `train_together` takes it on a GPU alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.errors import TrainingError
from pipeline.models.state import private_randomness
from pipeline.training.dispatch import Recipe, train_by
from pipeline.training.head import retrain_head
from pipeline.training.labeled import LabeledImages, TrainingReport
from pipeline.training.learner import Learner, Parts
from pipeline.training.lockstep import Lockstep
from pipeline.training.recipes import SupervisedRecipe
from pipeline.training.stacked import stackable
from pipeline.training.supervised import Progress, check_images

_TELL_EVERY = 20  # steps between two calls of on_progress


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One network and what it learns from.

    Attributes:
        model: Trained in place; its first weights are the caller's.
        labeled: The labeled images.
        seed: Of the order, the augmentation and the dropout.
        copies: Adversarial copies of labeled images, with their labels.
        pseudo: Images without a label that an earlier model was sure of, with its classes.
        synthetic: Generated images with the classes they were made for.
    """

    model: nn.Module
    labeled: LabeledImages
    seed: int
    copies: LabeledImages | None = None
    pseudo: LabeledImages | None = None
    synthetic: LabeledImages | None = None


def can_batch(model: nn.Module, recipe: SupervisedRecipe | None = None) -> bool:
    """Return whether networks like this one can train as one program, by a recipe if one is given.

    A network with BatchNorm (convnet, the torchvision backbones), with frozen parameters, or with code that
    `torch.func.vmap` cannot follow cannot, and no network by a recipe with adversarial training, which attacks each
    network by itself; train these one after the other.
    """
    if recipe is not None and recipe.adversarial is not None:
        return False
    architecture = getattr(model, "architecture", None)
    if architecture is None:
        return False
    return stackable(model, (architecture.channels, architecture.image_size, architecture.image_size))


def train_batched(
    lessons: Sequence[Lesson],
    recipe: SupervisedRecipe,
    *,
    device: torch.device,
    graphs: bool = False,
    on_progress: Progress | None = None,
) -> list[TrainingReport]:
    """Train networks of one architecture in place, all at once; they are left on `device`, in eval mode.

    Numbers of labels, copies and pseudo-labels may differ: each network has its own mixture and budget of steps. One
    that stops early is put back at once, and leaves the batch when that makes it smaller by enough.

    Args:
        lessons: The networks, with what they learn from.
        recipe: How to train, the same for all.
        device: Where to train.
        graphs: Record a step as a CUDA graph and replay it. Not run on a GPU so far: measure before trusting it.
        on_progress: Called with (steps done, steps planned, a line to show); raising stops the training.

    Returns:
        A report for each lesson; `seconds` is its share of the batch's wall time, so that reports add up.

    Raises:
        TrainingError: The networks cannot be stacked, or what `train` raises.
    """
    if not lessons:
        return []
    _check(lessons, recipe)
    began = time.monotonic()
    with private_randomness():
        batch = Lockstep([_parts(lesson) for lesson in lessons], recipe, device, graphs=graphs)
        while batch.running:
            batch.advance()
            if on_progress is not None and (batch.step % _TELL_EVERY == 0 or not batch.running):
                on_progress(batch.step, batch.last, f"training {len(lessons)} networks")
        for one in batch.learners if recipe.decoupled else ():
            retrain_head(one.model, one.balanced, recipe, seed=one.seed, labels=len(one.labeled))
    seconds = round((time.monotonic() - began) / len(lessons), 3)
    for lesson in lessons:
        lesson.model.zero_grad(set_to_none=True)
        lesson.model.eval()
    return [_report(learner, device, seconds) for learner in batch.learners]


def train_together(
    lessons: Sequence[Lesson], recipe: Recipe, *, device: torch.device, on_progress: Progress | None = None
) -> Iterator[tuple[int, TrainingReport]]:
    """Train networks in the way that is faster on a device: batched on a GPU where they can be, else one by one.

    Arguments and errors are those of `train_batched`; networks that cannot be stacked, and recipes of any kind, are
    welcome.

    Yields:
        The position of a lesson, and its report, as soon as its network is done.
    """
    if isinstance(recipe, SupervisedRecipe) and not recipe.adversarial and batches_on(device, lessons):
        yield from enumerate(train_batched(lessons, recipe, device=device, on_progress=on_progress))
        return
    for place, lesson in enumerate(lessons):
        yield place, train_by(
            recipe, lesson.model, lesson.labeled, seed=lesson.seed, device=device, copies=lesson.copies,
            pseudo=lesson.pseudo, synthetic=lesson.synthetic, on_progress=on_progress,
        )  # fmt: skip


def batches_on(device: torch.device, lessons: Sequence[Lesson]) -> bool:
    """Return whether `train_together` trains these as one program: on a GPU, several, of a kind that can be stacked."""
    return device.type == "cuda" and len(lessons) > 1 and can_batch(lessons[0].model)


def _report(learner: Learner, device: torch.device, seconds: float) -> TrainingReport:
    return TrainingReport(
        epochs=round(learner.looked * learner.mixture.labeled / len(learner.balanced.images), 2),
        steps=learner.looked,
        seconds=seconds,
        train_loss=learner.loss,
        validation_accuracy=None,
        device=str(device),
    )


def _parts(lesson: Lesson) -> Parts:
    return lesson.model, lesson.labeled, lesson.seed, lesson.copies, lesson.pseudo, lesson.synthetic


def _check(lessons: Sequence[Lesson], recipe: SupervisedRecipe) -> None:
    for lesson in lessons:
        check_images(lesson.model, lesson.labeled, lesson.copies, lesson.pseudo, None, lesson.synthetic)
    if len({id(lesson.model) for lesson in lessons}) != len(lessons):
        raise TrainingError("expected a model for each lesson, got one twice; build each its own")
    first, *others = [_shape(lesson.model) for lesson in lessons]
    if any(other != first for other in others):
        raise TrainingError("expected networks of one architecture, got several; train them one after the other")
    if recipe.adversarial is not None:
        raise TrainingError("expected a recipe without adversarial training, got one with; train one after the other")
    if not can_batch(lessons[0].model):
        raise TrainingError(
            f"expected networks that can train as one, got {type(lessons[0].model).__name__} with BatchNorm, frozen "
            "parameters or code that vmap cannot follow; train them one after the other"
        )


def _shape(model: nn.Module) -> tuple[type[nn.Module], list[tuple[str, torch.Size, torch.dtype]]]:
    tensors: list[tuple[str, Tensor]] = [*model.named_parameters()]
    return type(model), [(name, tensor.shape, tensor.dtype) for name, tensor in tensors]
