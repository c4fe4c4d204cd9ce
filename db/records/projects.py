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
    model. The rounds of a project of kind 'simulation' are never due: whoever simulates runs them.
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
class Project:
    """A project as stored. `state` is 'active', 'paused' or 'finished'; `reserve_size` is resolved."""

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
    holdout_size: int
    holdout_share: float
    guidelines: str
    seed: int
    show_predictions: bool
    created_at: int

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes by position."""
        return tuple(entry.name for entry in self.classes)
