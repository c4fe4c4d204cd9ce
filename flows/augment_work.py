"""What one augmentation is about: the wish, the labels, and who is told; shared by its steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from db.records import Project
from flows.augment_images import FOLDER, name_of, slug
from flows.augment_material import Material
from flows.report import Reporter
from flows.store import Store
from pipeline.augmentation.quality import Gate
from pipeline.augmentation.records import Decision
from pipeline.augmentation.trained import Kind


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to be made.

    Attributes:
        kind: What makes it.
        key: Names the attempt ('round 3', 'by hand 1a2b3c'): run again, it goes on instead of beginning anew.
        targets: Class positions; None for all classes with few labels.
        steps: Training steps; None for those of the recipe.
        round_id: The round that it is for; None by hand.
        anew: Train a maker even if the last one still serves.
    """

    kind: Kind
    key: str
    targets: tuple[int, ...] | None = None
    steps: int | None = None
    round_id: int | None = None
    anew: bool = False


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What became of one class.

    Attributes:
        target: Class position.
        name: Of the class.
        version: Number of the generator version; None when nothing was made.
        decision: What the gate said.
    """

    target: int
    name: str
    version: int | None
    decision: Decision

    @property
    def sentence(self) -> str:
        """The decision in words."""
        what = f"{self.decision.made} images accepted" if self.decision.verdict == "accepted" else "no images used"
        return f"{self.name}: {what}. {self.decision.reason}"


@dataclass(frozen=True)
class Work:
    """One maker's turn.

    Attributes:
        store: The open store.
        project: Whose images.
        wish: What is to be made.
        material: Labels of today.
        reporter: Receives the progress; may raise to cancel.
        gates: Gates by the labels that they measure on; makers of one augmentation share them.
    """

    store: Store
    project: Project
    wish: Wish
    material: Material
    reporter: Reporter
    gates: dict[tuple[int, ...], Gate]

    def split_as(self, held_out: list[int] | None) -> Work:
        """Return the same with those labels set aside that a version's maker never saw."""
        return replace(self, material=self.material.split_as(held_out))

    def key(self, target: int) -> str:
        """Name this attempt; a translation has one for each class."""
        kind = self.wish.kind
        return f"{self.wish.key} {kind}" if kind == "gan" else f"{self.wish.key} {kind} {target}"

    def checkpoint(self, key: str) -> Path:
        """Return where a killed training is taken up; the file itself knows whether it still fits."""
        return self.store.settings.project_folder(self.project.id, FOLDER) / f"{slug(key)}.checkpoint"

    def told(self, target: int, version: int | None, decision: Decision) -> Judged:
        """Name the class that was decided on."""
        return Judged(target=target, name=name_of(self.project, target), version=version, decision=decision)
