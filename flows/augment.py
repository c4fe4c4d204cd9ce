"""Images for rare classes: which classes want some, who makes them, and what is told about it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from db import samples
from db.records import Project
from flows.augment_attempt import attempt
from flows.augment_images import name_of
from flows.augment_material import read_material
from flows.augment_plan import LEAST_REAL, Filling, Plan, plan_fillings
from flows.augment_work import Judged, Wish, Work
from flows.report import Reporter
from flows.store import Store
from pipeline.augmentation.quality import Gate
from pipeline.augmentation.trained import Kind
from pipeline.errors import DataError, ModelError, TrainingError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AugmentOutcome:
    """What an augmentation came to: each class that has few labels, judged; and sentences about all of it."""

    judged: tuple[Judged, ...]
    sentences: tuple[str, ...]


def augment(store: Store, project: Project, wish: Wish, reporter: Reporter) -> AugmentOutcome:
    """Make images for the classes with few labels, or find that the last ones still serve; the gate decides on each.

    Raises:
        Canceled: By the reporter; what was saved is kept.
    """
    material = read_material(store, project)
    if material is None or sum(count > 0 for count in material.labels.values()) < 2:
        return AugmentOutcome(judged=(), sentences=("Labels span fewer than two classes, so nothing is made yet.",))
    plan = plan_fillings(material.counts, project.generate_below, wish.targets)
    judged: list[Judged] = []
    gates: dict[tuple[int, ...], Gate] = {}
    for fillings in _together(wish.kind, plan.fillings):
        judged += attempt(Work(store, project, wish, material, reporter, gates), fillings)
    judged.sort(key=lambda one: one.target)
    return AugmentOutcome(judged=tuple(judged), sentences=_sentences(project, plan, judged))


def augment_round(store: Store, project: Project, number: int, round_id: int, reporter: Reporter) -> tuple[str, ...]:
    """Make what a round needs, when the project says so; returns what to tell about it.

    A maker that cannot be trained never stops the labeling: the round goes on without, and says why.
    """
    if project.generate == "none":
        return ()
    kind: Kind = "translation" if project.generate == "translation" else "gan"
    wish = Wish(kind=kind, key=f"round {number}", round_id=round_id)
    try:
        return augment(store, project, wish, reporter).sentences
    except (TrainingError, ModelError, DataError) as error:
        logger.warning("round %d of %s goes on without generated images: %s", number, project.name, error)
        return (f"No images were made: {error}",)


def augment_by_hand(
    store: Store,
    project: Project,
    reporter: Reporter,
    *,
    kind: Kind | None = None,
    targets: tuple[int, ...] | None = None,
    steps: int | None = None,
) -> AugmentOutcome:
    """Make images because a person asked, with a maker of its own; the same labels and choices are one attempt.

    Raises:
        TrainingError: A maker cannot be trained on these labels.
        ModelError: There are no networks for images of this size.
    """
    chosen: Kind = kind or ("translation" if project.generate == "translation" else "gan")
    ids, classes = samples.labeled(store.database, project.id)
    digest = hashlib.sha256(ids.tobytes() + classes.tobytes() + repr((targets, steps)).encode()).hexdigest()
    wish = Wish(kind=chosen, key=f"by hand {digest[:12]}", targets=targets, steps=steps, anew=True)
    return augment(store, project, wish, reporter)


def _together(kind: Kind, fillings: Sequence[Filling]) -> list[tuple[Filling, ...]]:
    """A generator serves all classes, a translation one."""
    if kind == "gan":
        return [tuple(fillings)] if fillings else []
    return [(filling,) for filling in fillings]


def _sentences(project: Project, plan: Plan, judged: Sequence[Judged]) -> tuple[str, ...]:
    few = [
        f"{name_of(project, target)}: no images made. {count} labels can be learned from, {LEAST_REAL} are needed; "
        "below that generated images do harm."
        for target, count in plan.too_few
    ]
    if not judged and not few:
        return (f"No class has fewer than {project.generate_below} labels, so nothing is made.",)
    return (*(one.sentence for one in judged), *few)
