"""The arms of `benchmarks.rare_classes`: what each does for rare classes, and how its model is measured.

Arms of a seed share labels, first weights, order and recipe; they differ by what their name says alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.rare_data import Images, World
from pipeline.attacks.deepfool import deepfool
from pipeline.augmentation.filling import Filled, as_training, fill, gate_of
from pipeline.augmentation.material import Material
from pipeline.augmentation.quality import Gate, TrainPlan
from pipeline.augmentation.trained import Recipe, usual_recipe
from pipeline.data.pool import ImagePool
from pipeline.experiment.augmentations import Augment, parse_augment
from pipeline.models.base import Classifier
from pipeline.models.registry import build_model
from pipeline.randomness import derive_seed
from pipeline.statistics.classification import classified
from pipeline.training.inference import predict_logits
from pipeline.training.labeled import LabeledImages
from pipeline.training.recipes import SupervisedRecipe
from pipeline.training.supervised import train

PLAIN = ("plain", "balanced", "logit_adjustment", "balanced+logit_adjustment")
ON_TOP = ("copies", "gan", "gan+pool", "translation")  # of the base
MORE_LABELS = "held-out labels train too"  # what the labels that the gate measures on would be worth in training
ARMS = (*PLAIN, *ON_TOP, MORE_LABELS)
NO_GATE = ", no gate"

Point = dict[str, Any]
Told = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class How:
    """What all cells share.

    Attributes:
        network: Name of the classifier.
        recipe: How all classifiers train, the gate's included.
        base: The augmentation that copies and generators come on top of.
        device: Where to compute.
        pairs: Pairs of trainings of the gate's test.
        maker_steps: Steps of a generator's or a translation's training; 0 is as many as its recipe has.
        told: Receives a line about what goes on.
    """

    network: str
    recipe: SupervisedRecipe
    base: str
    device: torch.device
    pairs: int = 3
    maker_steps: int = 0
    told: Told = lambda text: None

    def maker_recipe(self, asked: Augment) -> Recipe:
        """Return how an arm's maker of images trains."""
        usual = usual_recipe("translation" if asked.maker == "translation" else "gan", self.device)
        return replace(usual, steps=self.maker_steps) if self.maker_steps else usual

    def trains(self, asked: Augment) -> SupervisedRecipe:
        """Return how an arm's classifiers train."""
        return replace(self.recipe, balance=asked.balance, decoupled=asked.decoupled)


@dataclass(frozen=True)
class Scene:
    """One data set, label count and seed; the gate's trainings on real images are shared by all its makers."""

    images: Images
    world: World
    seed: int
    how: How

    def points(self, arm: str) -> Iterator[Point]:
        """Run an arm: yield its point, and with a generator also what would have been without the gate."""
        began = _clocks()
        asked = parse_augment(augment_of(arm, self.how.base))
        if asked.maker:
            yield from self._generated(arm, asked)
            return
        labeled = self._with_held_out() if arm == MORE_LABELS else self.world.labeled
        copies = self._copies(asked) if asked.copies else None
        model = self._trained(asked, labeled, copies=copies)
        yield self._measured(arm, model, began, copies=0 if copies is None else len(copies))

    def _generated(self, arm: str, asked: Augment) -> Iterator[Point]:
        began = _clocks()
        filled = fill(
            "translation" if asked.maker == "translation" else "gan",
            self.world.rare,
            self._material(asked.pool),
            seed=self._seed("fill"),
            device=self.how.device,
            recipe=self.how.maker_recipe(asked),
            gate=self._gate,
            always=True,
            on_progress=lambda done, total, text: self.how.told(f"{arm}: {text} {done:,} of {total:,}"),
        )
        decided = [self._told_of(one) for one in filled]
        half = _clocks()
        yield self._measured(arm, self._trained(asked, self.world.labeled, as_training(filled)), began, gate=decided)
        began += _clocks() - half  # the second point costs the generator, and its own training
        everything = as_training(filled, gated=False)
        yield self._measured(arm + NO_GATE, self._trained(asked, self.world.labeled, everything), began, gate=decided)

    def _material(self, pool: bool) -> Material:
        base = TrainPlan(
            model=self.how.network, recipe=self.how.trains(parse_augment(self.how.base)), seeds=self.how.pairs
        )
        return Material(
            labeled=self.world.labeled, held_out=self.world.held_out, classes=len(self.images.classes), train=base,
            pool=self.world.unlabeled if pool else None,
        )  # fmt: skip

    @cached_property
    def _gate(self) -> Gate:
        return gate_of(self._material(False), seed=self._seed("fill"), device=self.how.device)

    def _trained(
        self, asked: Augment, labeled: LabeledImages, synthetic: LabeledImages | None = None,
        *, copies: LabeledImages | None = None,
    ) -> Classifier:  # fmt: skip
        """Train from the first weights of the seed; which arm it is never enters."""
        _, channels, side, _ = labeled.images.shape
        model = build_model(
            self.how.network, classes=len(self.images.classes), channels=channels, image_size=side,
            seed=self._seed("first weights"),
        )  # fmt: skip
        train(
            model, labeled, self.how.trains(asked), seed=self._seed("train"), device=self.how.device,
            synthetic=synthetic, copies=copies,
        )  # fmt: skip
        return model

    def _copies(self, asked: Augment) -> LabeledImages:
        """Push the labeled images of the rare classes just over the border of a model of the base."""
        labels = self.world.labeled
        rare = labels.take(torch.isin(labels.targets, torch.tensor(self.world.rare)))
        pushed = deepfool(self._trained(replace(asked, copies=False), labels), rare.images)
        made = pushed.distance.isfinite().cpu()
        images = pushed.perturbed.float().cpu()[made]
        return LabeledImages(images, rare.targets[made], rare.ids[made])

    def _with_held_out(self) -> LabeledImages:
        both = (self.world.labeled, self.world.held_out)
        return LabeledImages(
            *(torch.cat([getattr(one, name) for one in both]) for name in ("images", "targets", "ids"))
        )

    def _measured(self, arm: str, model: Classifier, began: NDArray[np.float64], **more: Any) -> Point:
        """Measure this very model on the whole test set."""
        test, classes = self.images.test, len(self.images.classes)
        _, logits = predict_logits(model, ImagePool.from_tensor(test.images), device=self.how.device)  # (M, K)
        sure, predicted = logits.double().softmax(dim=1).max(dim=1)
        found = classified(test.targets.numpy(), predicted.numpy(), sure.numpy(), classes=classes)
        seconds, processor = (_clocks() - began).round(2).tolist()
        rare = [found.class_recall[place] or 0.0 for place in self.world.rare]
        return {
            "dataset": self.images.name, "imbalance": round(self.world.imbalance, 2), "seed": self.seed, "arm": arm,
            "rare_recall": sum(rare) / len(rare), "balanced_accuracy": found.balanced_accuracy,
            "accuracy": found.accuracy, "calibration_error": found.calibration_error,
            "rare": [self.images.classes[place] for place in self.world.rare],
            "labels": torch.bincount(self.world.labeled.targets, minlength=classes).tolist(),
            "class_recall": found.class_recall, "seconds": seconds, "processor_seconds": processor, **more,
        }  # fmt: skip

    def _told_of(self, one: Filled) -> dict[str, Any]:
        """Return the gate's word on a class as plain values."""
        told: dict[str, Any] = {
            "class": self.images.classes[one.target], "verdict": one.verdict, "weight": one.weight,
            "made": len(one.images), "reason": one.reason,
        }  # fmt: skip
        if one.decision is not None:
            told["checks"] = {check.name: [check.value, check.reference] for check in one.decision.checks}
            told["test"] = None if one.decision.test is None else asdict(one.decision.test)
        return told

    def _seed(self, purpose: str) -> int:
        return derive_seed(self.seed, "rare classes", purpose)


def _clocks() -> NDArray[np.float64]:
    """Return the wall clock and the processor's, (2,), in seconds; others' work slows the first alone."""
    return np.array([time.perf_counter(), time.process_time()])


def augment_of(arm: str, base: str) -> str:
    """Return what an arm does, as comparisons call it.

    >>> augment_of("plain", "logit_adjustment"), augment_of("gan+pool", "logit_adjustment")
    ('none', 'logit_adjustment+gan+pool')
    """
    if arm == "plain":
        return "none"
    if arm == MORE_LABELS:
        return base
    return arm if arm in PLAIN or base == "none" else f"{base}+{arm}"
