"""How the DFAL paper trains, as far as it is known: restarts on random folds, the best validated one kept.

Ducoffe and Precioso, arXiv:1802.09841, as in the code that they published (`active_framework.py`): Adam as Keras has
it, batches of 32, at most 100 epochs, early stopping on the validation loss with patience 5 and no way back to better
weights; five restarts from new weights, each on a new random 80/20 split of the labeled set; the restart with the
lowest validation loss is kept. No augmentation. Whoever does not reproduce the paper should take a `SupervisedRecipe`.

Two things here go against this project's own rules, on purpose. ADVERSARIAL COPIES VALIDATE: the split is drawn over
labeled images and copies together, so a copy may validate a network that learned from its original, and lowers the
loss by which restarts are chosen. `copies_validate=False` keeps each copy on the side of its original, and validates
on images alone. PSEUDO-LABELS ARE LEFT OUT: the authors' CEAL forgets them, so CEAL is least confidence here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.data.transforms import to_float
from pipeline.errors import TrainingError
from pipeline.models.registry import build_model
from pipeline.models.state import device_and_type, private_randomness, seed_global
from pipeline.randomness import derive_seed
from pipeline.training.checkpoint import finite_or_raise, snapshot
from pipeline.training.labeled import LabeledImages, TrainingReport
from pipeline.training.supervised import Progress, check_images
from pipeline.training.validation import validate

_LEAST = 2  # labeled images: one to learn from, one to validate on


@dataclass(frozen=True, kw_only=True)
class PaperRecipe:
    """The paper's training.

    Attributes:
        restarts: Trainings from new weights, each on a new split.
        learning_rate: Of Adam, constant.
        epsilon: Of Adam, as Keras has it.
        batch_size: Images a step; the last of an epoch has what is left.
        epochs: Most passes over the training side.
        patience: Epochs without a lower validation loss until a restart ends, with the weights that it then has.
        validation_share: Of labeled images and copies, rounded down, at least one.
        copies_validate: Whether copies are split like images, as in the authors' code.
    """

    restarts: int = 5
    learning_rate: float = 1e-3
    epsilon: float = 1e-7
    batch_size: int = 32
    epochs: int = 100
    patience: int = 5
    validation_share: float = 0.2
    copies_validate: bool = True

    def __post_init__(self) -> None:
        if min(self.restarts, self.batch_size, self.epochs, self.patience) < 1 or not 0 < self.validation_share < 1:
            raise TrainingError(
                "expected restarts, batch_size, epochs and patience of 1 or more and a validation share in (0, 1), "
                f"got {self}"
            )


PAPER = PaperRecipe()


@dataclass
class _Restart:
    """One training on one split: images are float (N, C, S, S), targets (N,)."""

    network: nn.Module
    train: tuple[Tensor, Tensor]
    validation: LabeledImages
    recipe: PaperRecipe
    seed: int
    device: torch.device
    epoch: int = 0
    step: int = 0
    train_loss: float = math.nan
    loss: float = math.inf  # on the validation side, after the last epoch
    accuracy: float = 0.0
    best: float = field(default=math.inf)
    stale: int = 0

    def run(self, on_epoch: Callable[[int], None]) -> None:
        """Train until the budget is spent or the validation loss stood still for too long."""
        recipe, parameters = self.recipe, [p for p in self.network.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(parameters, lr=recipe.learning_rate, eps=recipe.epsilon, fused=True)
        while self.epoch < recipe.epochs and self.stale < recipe.patience:
            self.network.train()
            self.train_loss = self._pass(optimizer)
            self.network.eval()
            found = validate(self.network, self.validation, self.device)
            self.loss, self.accuracy = found.loss, found.accuracy
            self.epoch += 1
            self.stale = 0 if self.loss < self.best else self.stale + 1
            self.best = min(self.best, self.loss)
            on_epoch(self.epoch)

    def _pass(self, optimizer: torch.optim.Optimizer) -> float:
        """Learn once from every image; return the mean loss."""
        images, targets = self.train
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", self.epoch))
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        order = torch.randperm(len(images), generator=generator)
        for start in range(0, len(order), self.recipe.batch_size):
            which = order[start : start + self.recipe.batch_size]
            seed_global(derive_seed(self.seed, "dropout", self.step))
            near = which.to(self.device)
            loss = functional.cross_entropy(self.network(images[near]), targets[near])
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            total += loss.detach() * len(which)
            self.step += 1
        return finite_or_raise(float(total) / len(images), self.step)


def train_paper(
    model: nn.Module,
    labeled: LabeledImages,
    recipe: PaperRecipe = PAPER,
    *,
    seed: int,
    device: torch.device,
    copies: LabeledImages | None = None,
    pseudo: LabeledImages | None = None,
    build: Callable[[int], nn.Module] | None = None,
    on_progress: Progress | None = None,
) -> TrainingReport:
    """Train a classifier in place as the paper does; it is left on `device`, in eval mode.

    Args:
        model: Takes float images (B, C, S, S) in [0, 1] and gives logits (B, K). The first restart starts from its
            weights, so that arms of a comparison share them; the others from weights that derive from `seed`.
        labeled: The labeled images; a fifth of them validates.
        recipe: How to train.
        seed: Of the splits, the order, the dropout and the weights of the other restarts.
        device: Where to train, in float32.
        copies: Adversarial copies with their labels; images like any other here, in the validation fold too.
        pseudo: Checked, and not learned from: see the head of this module.
        build: Makes a new network from a seed; None builds the model's architecture by its name.
        on_progress: Called with (epochs done, epochs planned, a line to show); raising stops the training.

    Returns:
        A report on the restart that was kept; `seconds` are of all of them, `validation_accuracy` is on its own fold
        and far too friendly to be shown: it was chosen among `restarts` on a few images.

    Raises:
        TrainingError: As `train` says, or there are fewer than 2 labeled images.
    """
    check_images(model, labeled, copies, pseudo, None)
    if labeled.weights is not None:
        raise TrainingError("expected labeled images without weights for the paper's recipe, got some; drop them")
    if len(labeled) < _LEAST:
        raise TrainingError(f"expected {_LEAST} labeled images or more to split, got {len(labeled)}; label some first")
    began, total, kept = time.monotonic(), recipe.restarts * recipe.epochs, None
    with private_randomness():
        first = snapshot(model.to(device))
        for number in range(recipe.restarts):
            own = derive_seed(seed, "restart", number)
            network = model if number == 0 else (build or _builder(model))(own).to(device)
            restart = _restart(network, labeled, copies, recipe, own, device)
            restart.run(_teller(on_progress, number, recipe, total))
            if kept is None or restart.loss < kept.loss:
                kept, first = restart, snapshot(network)
    assert kept is not None  # noqa: S101
    model.load_state_dict(first)
    model.zero_grad(set_to_none=True)
    model.eval()
    return TrainingReport(
        epochs=kept.epoch, steps=kept.step, seconds=round(time.monotonic() - began, 3), train_loss=kept.train_loss,
        validation_accuracy=kept.accuracy, device=str(device),
    )  # fmt: skip


def split(
    labeled: LabeledImages, copies: LabeledImages | None, recipe: PaperRecipe, seed: int
) -> tuple[LabeledImages, LabeledImages]:
    """Return the training and the validation side of a random split; the same seed gives the same sides.

    With `copies_validate` copies are split like images. Without, only images are, and a copy goes where its original
    goes: to learn from, or, when that one validates, nowhere.
    """
    united = labeled if not copies else _join(labeled, copies)
    count = len(united) if recipe.copies_validate else len(labeled)
    shuffled = torch.randperm(count, generator=torch.Generator().manual_seed(derive_seed(seed, "split")))
    size = min(max(1, int(count * recipe.validation_share)), count - 1)
    validation = _some(united, shuffled[:size])
    held_back = torch.isin(united.ids, validation.ids)
    copied = torch.arange(len(united)) >= count
    train = torch.cat([shuffled[size:], torch.nonzero(copied & ~held_back).flatten()])
    return _some(united, train), validation


def _restart(
    network: nn.Module, labeled: LabeledImages, copies: LabeledImages | None, recipe: PaperRecipe, seed: int,
    device: torch.device,
) -> _Restart:  # fmt: skip
    train, validation = split(labeled, copies, recipe, seed)
    dtype = device_and_type(network)[1]
    images = to_float(train.images.to(device), dtype), train.targets.to(device)
    return _Restart(network, images, validation, recipe, seed, device)


def _join(first: LabeledImages, second: LabeledImages) -> LabeledImages:
    images = torch.cat([to_float(first.images), to_float(second.images)])
    return LabeledImages(images, torch.cat([first.targets, second.targets]), torch.cat([first.ids, second.ids]))


def _some(images: LabeledImages, which: Tensor) -> LabeledImages:
    return images.take(which)


def _builder(model: nn.Module) -> Callable[[int], nn.Module]:
    architecture: Any = getattr(model, "architecture", None)
    if architecture is None:
        raise TrainingError("expected a model with an architecture to build again for a restart, got none; give build")
    return lambda seed: cast(
        nn.Module,
        build_model(
            architecture.name, classes=architecture.classes, channels=architecture.channels,
            image_size=architecture.image_size, seed=seed,
        ),
    )  # fmt: skip


def _teller(on_progress: Progress | None, number: int, recipe: PaperRecipe, total: int) -> Callable[[int], None]:
    def tell(epoch: int) -> None:
        if on_progress is not None:
            on_progress(number * recipe.epochs + epoch, total, f"training, restart {number + 1} of {recipe.restarts}")

    return tell
