"""What an experiment is made of: its settings, its arms, and the points that every run of an arm leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pipeline.errors import DataError
from pipeline.experiment.augmentations import NONE

Protocol = Literal["fair", "paper"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is compared, and how; equal settings on equal data give equal points on one kind of device.

    Attributes:
        strategies: Specs of `pipeline.strategies.registry`, each once, as typed.
        model: The classifier that asks, by name.
        labels: Labels to reach, validation labels included.
        batch: Labels a round.
        seed_labels: Labels of the first round, drawn by `cold_start`: the same for all arms of a seed.
        seeds: Seeds to run; each decides the seed set, first weights, order of training and ties of all its arms.
        protocol: 'fair' asks the whole pool and trains by one recipe; 'paper' is that of Ducoffe and Precioso (2018).
        recipe: Name of the training recipe; 'tuned' tunes one on random labels first. The paper's protocol has its own.
        cold_start: Spec of the strategy that draws the seed labels.
        imbalance: How many times rarer the rarest class of the pool is than the most frequent; None leaves it.
        copy_rounds: Rounds that an adversarial copy trains for; in the paper's protocol it stays for good.
        transfer: (asks, trains): a second network also learns from what the first one chose; None for no transfer.
        augment: What is done for rare classes in training, names of `augmentations.parse_augment`, each once: every
            strategy is run with each.
    """

    strategies: tuple[str, ...]
    model: str
    labels: int
    batch: int
    seed_labels: int
    seeds: tuple[int, ...]
    protocol: Protocol = "fair"
    recipe: str = "tuned"
    cold_start: str = "random_sampling"
    imbalance: float | None = None
    copy_rounds: int = 3
    transfer: tuple[str, str] | None = None
    augment: tuple[str, ...] = (NONE,)

    def __post_init__(self) -> None:
        if not 2 <= self.seed_labels <= self.labels or self.batch < 1:
            raise DataError(
                "expected 2 <= seed labels <= labels and a batch of 1 or more, got "
                f"{self.seed_labels}, {self.labels} and {self.batch}"
            )
        for name in ("strategies", "seeds", "augment"):
            given = getattr(self, name)
            if not given or len(set(given)) != len(given):
                raise DataError(f"expected {name}, each once, got {given}; drop the repeats")

    def plain(self) -> dict[str, Any]:
        """Return the settings by name, for records; `augment` stands there only where it says something."""
        values = asdict(self)
        if self.augment == (NONE,):
            del values["augment"]
        return values


@dataclass(frozen=True, order=True)
class Arm:
    """One line of the comparison.

    Attributes:
        strategy: The spec that chooses.
        trains: Another network than the one that asks, trained on the images that the strategy chose for the first
            one, at each of its label counts; adversarial copies and pseudo-labels stay with the network that they were
            made by. Empty without transfer.
        augment: What is done for rare classes, one name of `Settings.augment`.
    """

    strategy: str
    trains: str = ""
    augment: str = NONE

    def __repr__(self) -> str:
        """Return what keys of saved runs are made of: an arm without augmentation is called as ever."""
        more = "" if self.augment == NONE else f", augment={self.augment!r}"
        return f"Arm(strategy={self.strategy!r}, trains={self.trains!r}{more})"

    @property
    def name(self) -> str:
        """How it is called in tables: 'dfal', 'dfal, augment=gan', or 'dfal to vgg8' for a transfer."""
        asks = self.strategy if self.augment == NONE else f"{self.strategy}, augment={self.augment}"
        return f"{asks} to {self.trains}" if self.trains else asks


@dataclass(frozen=True, kw_only=True)
class Point:
    """One model of a run: what was asked to get there, and how good it is.

    Attributes:
        labels: Labels paid for so far, validation labels included.
        accuracy: Share of the whole test set that this very model gets right; never the best so far.
        balanced_accuracy: Mean of the classes' recalls.
        class_recall: (K,), share of each class's test images that it gets right; None for a class without any.
        class_labels: (K,), labels of each class so far.
        queried: Sample ids asked to get here, in the order of the ranking: the seed set at the first point.
        query_seconds: Time of the ranking that chose them; None for the seed set and for transfers.
        train_seconds: Time of the training.
        figures: More about it: steps, copies and pseudo-labels that trained, diagnostics of the ranking,
            and the calibration error on the test set ('calibration_error').
    """

    labels: int
    accuracy: float
    balanced_accuracy: float
    class_recall: tuple[float | None, ...]
    class_labels: tuple[int, ...]
    queried: tuple[int, ...]
    query_seconds: float | None
    train_seconds: float
    figures: Mapping[str, float | int | str] = field(default_factory=dict)
