"""Training recipes by name. A recipe is plain data: its repr is the record kept with each model version."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Literal, get_args

from pipeline.augmentation.adversarial_training import AdversarialTraining, KurakinMix, Trades
from pipeline.data.transforms import Augmentation
from pipeline.errors import TrainingError

Balance = Literal["none", "sampling", "logit_adjustment", "balanced_softmax", "auto"]
Mixing = Literal["none", "mixup", "cutmix"]
_QUIET = ("balance", "mixing", "decoupled", "adversarial")  # left out of the repr where they are off
_BALANCES, _MIXINGS = get_args(Balance), get_args(Mixing)


@dataclass(frozen=True, kw_only=True)
class SupervisedRecipe:
    """Learn from labeled images alone. The same for every strategy in a comparison; tuned on random label sets.

    Attributes:
        optimizer: 'adamw' or 'adam'.
        learning_rate: The highest rate, reached after the warmup; a cosine brings it to zero.
        weight_decay: On weights, never on biases and normalization.
        batch_size: Images a step, adversarial copies and pseudo-labeled images included.
        epochs: Wanted passes over the images, before the limits on steps.
        least_steps: Steps for small label sets, in which an epoch is a step or two.
        most_steps: The budget for large ones.
        warmup: Share of the steps in which the rate rises.
        augmentation: See `pipeline.data.transforms`.
        label_smoothing: In [0, 1); off, for it bends the logit gaps that the strategies read.
        window: Steps between two looks at the loss; at least an epoch.
        patience: Windows without progress until the rate goes down to zero at once; 0 never stops early.
        progress: Relative fall of the loss that counts as progress.
        copies_share: Most of the loss and of a batch that adversarial copies may take, at most 0.5.
        pseudo_share: The same for pseudo-labeled images. Where copies and pseudo-labels together come to more than
            half, both shrink in proportion: labeled images keep half.
        precision: 'auto' is bfloat16 or float16 on a GPU and float32 elsewhere.
        balance: What is done for rare classes, see `pipeline.training.balance`: 'none', 'sampling' (classes take turns
            in the batches), 'logit_adjustment', 'balanced_softmax', or 'auto', which goes by the label counts.
        mixing: 'none', 'mixup' or 'cutmix', see `pipeline.training.mixing`.
        decoupled: Train the last layer anew at the end, see `pipeline.training.head`.
        adversarial: `KurakinMix` or `Trades`, see `pipeline.augmentation.adversarial_training`; None is plain training.
    """

    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    batch_size: int = 32
    epochs: int = 20
    least_steps: int = 1500
    most_steps: int = 12000
    warmup: float = 0.05
    augmentation: Augmentation = "auto"
    label_smoothing: float = 0.0
    window: int = 100
    patience: int = 4
    progress: float = 0.02
    copies_share: float = 0.5
    pseudo_share: float = 0.5
    precision: Literal["auto", "float32"] = "auto"
    balance: Balance = "none"
    mixing: Mixing = "none"
    decoupled: bool = False
    adversarial: AdversarialTraining | None = None

    def __repr__(self) -> str:
        """Name every field, but of the newer ones those alone that are on: what was recorded before stays findable.

        >>> "mixing" in repr(SupervisedRecipe()), "mixing='mixup'" in repr(SupervisedRecipe(mixing="mixup"))
        (False, True)
        """
        told = [
            entry for entry in fields(self) if entry.name not in _QUIET or getattr(self, entry.name) != entry.default
        ]
        return f"SupervisedRecipe({', '.join(f'{entry.name}={getattr(self, entry.name)!r}' for entry in told)})"

    def __post_init__(self) -> None:
        if self.batch_size < 2 or not 1 <= self.least_steps <= self.most_steps:
            raise TrainingError(
                "expected a batch size of 2 or more and 1 <= least_steps <= most_steps, "
                f"got {self.batch_size}, {self.least_steps} and {self.most_steps}"
            )
        for name in ("copies_share", "pseudo_share"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise TrainingError(f"expected {name} in [0, 0.5], got {getattr(self, name)}; half a batch at most")
        for name, known in (("balance", _BALANCES), ("mixing", _MIXINGS)):
            if getattr(self, name) not in known:
                raise TrainingError(f"expected {name} out of {', '.join(known)}, got {getattr(self, name)!r}")
        if self.adversarial is not None and self.mixing != "none":
            raise TrainingError(f"expected adversarial training or {self.mixing}, got both; choose one of them")

    def steps(self, images: int) -> int:
        """Return the step budget for a number of labeled images.

        >>> SupervisedRecipe(batch_size=50, epochs=20, least_steps=1000, most_steps=9000).steps(100)
        1000
        >>> SupervisedRecipe(batch_size=50, epochs=20, least_steps=1000, most_steps=9000).steps(10_000)
        4000
        """
        return min(max(self.epochs * math.ceil(images / self.batch_size), self.least_steps), self.most_steps)


RECIPES: dict[str, SupervisedRecipe] = {
    "supervised": SupervisedRecipe(),
    "quick": SupervisedRecipe(epochs=5, least_steps=100, most_steps=1000, window=50),
    "fine_tuning": SupervisedRecipe(
        learning_rate=1e-4, weight_decay=5e-2, least_steps=300, most_steps=6000, warmup=0.1
    ),
    "adversarial_mix": SupervisedRecipe(adversarial=KurakinMix()),
    "trades": SupervisedRecipe(adversarial=Trades()),
}


def recipe_by_name(name: str) -> SupervisedRecipe:
    """Return a recipe of `pipeline.catalog.RECIPES`.

    Raises:
        TrainingError: There is none of that name.
    """
    if name in RECIPES:
        return RECIPES[name]
    close = get_close_matches(name, RECIPES, n=1)
    hint = f"did you mean {close[0]}?" if close else f"choose one of: {', '.join(RECIPES)}"
    raise TrainingError(f"expected a known training recipe, got {name!r}; {hint}")
