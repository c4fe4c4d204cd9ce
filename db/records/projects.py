"""A labeling job: what it was created with, and what it is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class ProjectSpec:
    """What a new project needs; `reserve_size` None means twice the batch.

    `overlap` votes are asked for each query, and more up to `max_overlap` while they disagree (None: never more).
    `gold_share` of what a person sees are checks with a known answer. For each query `confirm_share` images that the
    model is sure of (`confirm_confidence` at least) go into the grid, and `spot_check_share` of those are asked again
    singly. `show_why` is 'on request', 'after' (each answer) or 'never'. `weights` is what training starts from: ''
    (random), 'download' or the path of a safetensors file. `cold_start` is the strategy that chooses while there is no
    model. `balance` evens out classes with few labels in training ('auto' looks at the counts). `generate` says what
    makes images of classes with fewer than `generate_below` labels. `copy_check_share` of what a person sees are
    adversarial copies, shown to check that their class is still seen. `promote` says when a newly trained model becomes
    the current one, compared on the validation split by `promote_by`: 'not_worse' by more than `promote_margin` (a
    share), 'better' by more than it, 'always' or 'never' by itself. After `label_budget` labels no round begins (None:
    no limit). The rounds of a project of kind 'simulation' are never due: whoever simulates runs them.
    """

    name: str
    classes: tuple[str, ...]
    image_size: int = 28
    channels: int = 1
    model: str = "convnet"
    weights: str = ""
    recipe: str = "supervised"
    strategy: str = "dfal"
    cold_start: str = "typiclust"
    batch_size: int = 10
    reserve_size: int | None = None
    overlap: int = 1
    max_overlap: int | None = None
    gold_share: float = 0.05
    confirm_share: float = 0.0
    confirm_confidence: float = 0.95
    spot_check_share: float = 0.05
    show_why: Literal["on request", "after", "never"] = "on request"
    balance: Literal["none", "sampling", "logit_adjustment", "balanced_softmax", "auto"] = "auto"
    generate: Literal["none", "gan", "translation"] = "none"
    generate_below: int = 100
    copy_check_share: float = 0.02
    promote: Literal["not_worse", "better", "always", "never"] = "not_worse"
    promote_by: Literal["accuracy", "balanced_accuracy"] = "accuracy"
    promote_margin: float = 0.0
    label_budget: int | None = None
    holdout_size: int = 100
    holdout_share: float = 0.2
    guidelines: str = ""
    seed: int = 0
    show_predictions: bool = False
    kind: Literal["labeling", "simulation"] = "labeling"


@dataclass(frozen=True, kw_only=True)
class ClassRecord:
    """One class: its place in the model's output, and the key that picks it."""

    id: int
    name: str
    position: int
    key: str


@dataclass(frozen=True, kw_only=True)
class RetiredClass:
    """A class that is no longer in use: its place in the model's output stays empty.

    `live_id` is the class in use that its answers count for, over any number of merges; None if there is none.
    """

    id: int
    name: str
    position: int
    live_id: int | None


@dataclass(frozen=True, kw_only=True)
class ClassUsage:
    """What hangs on a class: labels, answers that stand, gold questions, images whose class came with them."""

    labels: int = 0
    answers: int = 0
    gold: int = 0
    known: int = 0

    @property
    def used(self) -> bool:
        """Whether anything would be lost with the class."""
        return bool(self.labels or self.answers or self.gold or self.known)


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project as stored. `state` is 'active', 'paused' or 'finished'; `reserve_size` is resolved.

    `classes` are those in use, by position. Positions have gaps once classes were merged or removed (`retired`).
    """

    id: int
    name: str
    kind: str
    state: str
    classes: tuple[ClassRecord, ...]
    image_size: int
    channels: int
    model: str
    weights: str
    recipe: str
    strategy: str
    cold_start: str
    batch_size: int
    reserve_size: int
    overlap: int
    max_overlap: int | None
    gold_share: float
    confirm_share: float
    confirm_confidence: float
    spot_check_share: float
    show_why: str
    balance: str
    generate: str
    generate_below: int
    copy_check_share: float
    promote: str
    promote_by: str
    promote_margin: float
    label_budget: int | None
    holdout_size: int
    holdout_share: float
    guidelines: str
    seed: int
    show_predictions: bool
    created_at: int
    retired: tuple[RetiredClass, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in use, in the order of their positions."""
        return tuple(entry.name for entry in self.classes)

    @property
    def outputs(self) -> int:
        """How many outputs a model of this project has: one a position, those of retired classes included."""
        return 1 + max([entry.position for entry in self.classes] + [entry.position for entry in self.retired])

    @property
    def output_names(self) -> tuple[str, ...]:
        """What each output of a model means today, by position.

        The output of a merged class means the class it was merged into; that of a removed one keeps its old name.
        """
        names = {entry.position: entry.name for entry in self.classes}
        by_id = {entry.id: entry.name for entry in self.classes}
        names |= {entry.position: by_id.get(entry.live_id or 0, entry.name) for entry in self.retired}
        return tuple(names.get(position, "") for position in range(self.outputs))

    def live_position(self, position: int) -> int | None:
        """Return the position that counts today for one that a model of any age gave; None if its class is gone."""
        places = {entry.id: entry.position for entry in self.classes}
        for entry in self.retired:
            if entry.position == position:
                return places.get(entry.live_id or 0)
        return position if position in places.values() else None
