"""The gate: synthetic images of a class train a model only if they pass every check and then help in a paired test.

Most published gains of generated images vanish beside a proper baseline, and a bad generator harms; so they are kept
out unless real held-out images say otherwise. Checks come in the order of their cost, and the first that fails ends it.
Test images never take part: whoever calls gives labeled and held-out images, and nothing else is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pipeline.augmentation.gate.apart import check_apart, of_class, set_aside
from pipeline.augmentation.gate.bounds import GateBounds
from pipeline.augmentation.gate.checks import Looked, bounded, compare, label_agreement, told
from pipeline.augmentation.gate.paired import Ground, class_recall, paired_test
from pipeline.augmentation.gate.plan import Progress, TrainPlan, features_of, predictions_of
from pipeline.augmentation.gate.words import acceptance, refusal, refusal_by_test, set_aside_note
from pipeline.augmentation.records import Check, Decision, PairedTest
from pipeline.models.base import Classifier
from pipeline.randomness import derive_seed
from pipeline.training.labeled import LabeledImages

__all__ = ["GateBounds", "TrainPlan", "judge", "set_aside", "worth_making"]

_COMMON = 0.5  # of the mean number of labels a class: a class with fewer is a rare one


def judge(
    target: int,
    made: Tensor,
    *,
    labeled: LabeledImages,
    held_out: LabeledImages | None,
    classes: int,
    train: TrainPlan,
    seed: int,
    device: torch.device,
    bounds: GateBounds | None = None,
    on_progress: Progress | None = None,
) -> Decision:
    """Decide whether synthetic images of one class may train.

    The same arguments give the same decision, on one kind of device.

    Args:
        target: The class that the images were made for.
        made: uint8 (F, C, S, S), at most two a real image (`GateBounds.most_made`).
        labeled: Real labeled images of all classes, those that will train.
        held_out: Real labeled images of all classes that neither the generator nor a model learned from; never the
            test split. None sets a quarter of `labeled` aside, by `set_aside` with this seed; then the generator
            should have learned from the rest alone.
        classes: Number of classes K.
        train: How the classifiers are trained: the project's own model and recipe, or the gain means nothing.
        seed: Of everything that is drawn.
        device: Where to train.
        bounds: What to reach; None takes the usual ones.
        on_progress: Called with (trainings done, trainings at most, a line to show); raising stops.

    Returns:
        The decision with all that was measured, and one sentence for people.

    Raises:
        DataError: Images of different shapes, synthetic ones among the real, images both learned from and held out,
            too few pairs of trainings, or features without any distance.
        TrainingError: What `train` raises.
    """
    ground, aside = _ground(labeled, held_out, classes, seed, device, on_progress)
    check_apart(target, made, ground.labeled, ground.held_out, classes)
    gate = _Gate(
        target=target, made=len(made), ground=ground, aside=aside, plan=train, seed=seed, bounds=bounds or GateBounds()
    )
    return gate.first_refusal() or gate.judge_images(made)


def worth_making(
    target: int,
    *,
    labeled: LabeledImages,
    held_out: LabeledImages | None,
    classes: int,
    train: TrainPlan,
    seed: int,
    device: torch.device,
    bounds: GateBounds | None = None,
    on_progress: Progress | None = None,
) -> Decision | None:
    """Return the refusal that no image of this class could change, so that none need be made; else None.

    Too few real images, too few held out, or a class that keeps up with the common ones already. Arguments and errors
    are those of `judge`, which looks at the same again.
    """
    ground, aside = _ground(labeled, held_out, classes, seed, device, on_progress)
    check_apart(target, ground.labeled.images[:0], ground.labeled, ground.held_out, classes)
    gate = _Gate(
        target=target, made=None, ground=ground, aside=aside, plan=train, seed=seed, bounds=bounds or GateBounds()
    )
    return gate.first_refusal()


def _ground(
    labeled: LabeledImages, held_out: LabeledImages | None, classes: int, seed: int, device: torch.device,
    on_progress: Progress | None,
) -> tuple[Ground, LabeledImages | None]:  # fmt: skip
    """Return what all trainings share, and what was set aside for it."""
    aside = None
    if held_out is None:
        labeled, aside = set_aside(labeled, seed=seed)
        held_out = aside
    ground = Ground(labeled=labeled, held_out=held_out, classes=classes, device=device, on_progress=on_progress)
    return ground, aside


@dataclass(kw_only=True)
class _Gate:
    """One class at the gate, and what was measured so far."""

    target: int
    made: int | None  # None: none yet
    ground: Ground
    aside: LabeledImages | None  # what was set aside, when no held-out images were given
    plan: TrainPlan
    seed: int
    bounds: GateBounds
    checks: list[Check] = field(default_factory=list)
    judges: list[Classifier] = field(default_factory=list)  # trained on real images alone
    real: Tensor = field(init=False)
    held_out: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.bounds.check_seeds(self.plan.seeds)
        self.real, self.held_out = (
            of_class(images, self.target) for images in (self.ground.labeled, self.ground.held_out)
        )

    def first_refusal(self) -> Decision | None:
        """Refuse by numbers, before anything is computed; then when there is nothing to gain."""
        return self._refused_by(self._counted()) or self._refused_by(self._recalled())

    def judge_images(self, made: Tensor) -> Decision:
        """Look at the images, then train with them."""
        refused = self._refused_by(self._looked_at(made))
        if refused is not None:
            return refused
        weight = self.bounds.weight(len(self.real))
        test = paired_test(self.target, made, weight, self.plan, self.ground, self.seed)
        reason = refusal_by_test(test, self.bounds)
        return self._decided(reason or acceptance(test, weight), 0.0 if reason else weight, test)

    def _counted(self) -> Iterator[Check]:
        bounds, real = self.bounds, len(self.real)
        yield bounded(Check(name="real_images", value=real, low=bounds.least_real))
        yield bounded(Check(name="held_out_images", value=len(self.held_out), low=bounds.least_held_out))
        if self.made is not None:
            yield bounded(Check(name="made_images", value=self.made, low=bounds.least_made))
            yield bounded(Check(name="made_per_real", value=self.made / real, high=bounds.most_per_real))

    def _recalled(self) -> Iterator[Check]:
        """Compare the class's recall with that of the common ones, by the mean of two classifiers."""
        for place, name in enumerate(("independent", "frozen")):
            self._tell(place)
            own = derive_seed(self.seed, "gate", name)
            ground = self.ground
            self.judges.append(self.plan.fit(ground.labeled, classes=ground.classes, seed=own, device=ground.device))
        recalls = [class_recall(self._right(judge), self.ground.held_out.targets) for judge in self.judges]
        recall = {target: sum(one[target] for one in recalls) / len(recalls) for target in recalls[0]}
        common = [recall[place] for place in self._common() if place in recall]
        reference = sum(common) / len(common) if common else None
        high = self.bounds.enough_recall * reference if reference else None
        passed = high is None or recall[self.target] < high
        yield Check(name="class_recall", value=recall[self.target], reference=reference, high=high, passed=passed)

    def _looked_at(self, made: Tensor) -> Iterator[Check]:
        independent, frozen = self.judges
        agrees = [predictions_of(independent, images) == self.target for images in (made, self.held_out)]
        yield label_agreement(*agrees, self.bounds, self.seed)
        real, held_out, synthetic = (features_of(frozen, images) for images in (self.real, self.held_out, made))
        looked = Looked(real=real, held_out=held_out, made=synthetic)
        yield from compare(looked, self.bounds, self.seed)
        yield from told(looked, self.bounds, self.seed)

    def _common(self) -> list[int]:
        """Return the other classes that are not rare by their labels."""
        counts = torch.bincount(self.ground.labeled.targets.cpu(), minlength=self.ground.classes).double()
        return [int(place) for place in torch.nonzero(counts >= _COMMON * counts.mean()) if place != self.target]

    def _right(self, judge: Classifier) -> Tensor:
        return predictions_of(judge, self.ground.held_out.images) == self.ground.held_out.targets

    def _refused_by(self, checks: Iterable[Check]) -> Decision | None:
        """Keep checks until the first that fails, and return its refusal."""
        for check in checks:
            self.checks.append(check)
            if not check.passed:
                return self._decided(refusal(check), 0.0)
        return None

    def _decided(self, reason: str, weight: float, test: PairedTest | None = None) -> Decision:
        own = 0 if self.aside is None else len(of_class(self.aside, self.target))
        return Decision(
            target=self.target,
            verdict="accepted" if weight else "refused",
            weight=weight,
            reason=reason + ("" if self.aside is None else set_aside_note(own)),
            real=len(self.real),
            made=self.made or 0,
            checks=tuple(self.checks),
            test=test,
            set_aside=0 if self.aside is None else len(self.aside),
        )

    def _tell(self, done: int) -> None:
        if self.ground.on_progress is not None:
            self.ground.on_progress(done, self.plan.trainings(), "training on real images to look at synthetic ones")
