"""The gate: synthetic images of a class train a model only if they pass every check and then help in a paired test.

Most published gains of generated images vanish beside a proper baseline, and a bad generator harms; so they are kept
out unless real held-out images say otherwise. Checks come in the order of their cost, and the first that fails ends it.
Test images never take part: whoever calls gives labeled and held-out images, and nothing else is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from pipeline.augmentation.gate.apart import check_made, check_real, of_class, set_aside
from pipeline.augmentation.gate.bounds import GateBounds
from pipeline.augmentation.gate.checks import Looked, bounded, class_recall, compare, label_agreement, told
from pipeline.augmentation.gate.paired import as_synthetic, paired_test
from pipeline.augmentation.gate.plan import Progress, TrainPlan, features_of, predictions_of
from pipeline.augmentation.gate.trainings import Trainings
from pipeline.augmentation.gate.words import acceptance, refusal, refusal_by_test, set_aside_note
from pipeline.augmentation.records import Check, Decision, PairedTest
from pipeline.training.labeled import LabeledImages

__all__ = ["Gate", "GateBounds", "TrainPlan", "as_synthetic", "judge", "set_aside"]


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
    """Decide whether synthetic images of one class may train; several classes share trainings through a `Gate`.

    Arguments and errors are those of `Gate` and `Gate.judge`.
    """
    gate = Gate(
        labeled=labeled, held_out=held_out, classes=classes, train=train, seed=seed, device=device, bounds=bounds,
        on_progress=on_progress,
    )  # fmt: skip
    return gate.judge(target, made)


class Gate:
    """The gate of one round: what it trains on real images alone is trained once, when first needed.

    Args:
        labeled: Real labeled images of all classes, those that will train.
        held_out: Real labeled images of all classes that neither the generator nor a model learned from; never the
            test split. None sets a quarter of `labeled` aside, by `set_aside` with this seed; then the generator
            should have learned from the rest alone.
        classes: Number of classes K.
        train: How classifiers are trained: the project's own model and recipe, or a gain means nothing.
        seed: Of everything that is drawn; the same arguments give the same decision on one kind of device.
        device: Where to train.
        bounds: What to reach; None takes the usual ones.
        on_progress: Called with (trainings done, trainings at most, a line to show); raising stops.

    Raises:
        DataError: Synthetic images among the real, images both learned from and held out, or too few pairs of
            trainings.
    """

    def __init__(
        self,
        *,
        labeled: LabeledImages,
        held_out: LabeledImages | None,
        classes: int,
        train: TrainPlan,
        seed: int,
        device: torch.device,
        bounds: GateBounds | None = None,
        on_progress: Progress | None = None,
    ) -> None:
        self.bounds, self.seed, self.aside = bounds or GateBounds(), seed, held_out is None
        if held_out is None:
            labeled, held_out = set_aside(labeled, seed=seed)
        check_real(labeled, held_out, classes)
        self.bounds.check_seeds(train.seeds)
        self.labeled, self.held_out = labeled, held_out
        self.trainings = Trainings(
            labeled, held_out, classes=classes, plan=train, seed=seed, device=device, on_progress=on_progress
        )

    def worth_making(self, target: int) -> Decision | None:
        """Return the refusal that no image of a class could change, so that none need be made; else None.

        Too few real images, too few held out, or a class that keeps up with the common ones already.

        Raises:
            TrainingError: What `train` raises.
        """
        return _Judgment(self, target, None).first_refusal()

    def judge(self, target: int, made: Tensor) -> Decision:
        """Decide whether synthetic images of one class may train.

        Args:
            target: The class that the images were made for.
            made: uint8 (F, C, S, S), at most two a real image (`GateBounds.most_made`).

        Returns:
            The decision with all that was measured, and a plain reason.

        Raises:
            DataError: The images are not of the real ones' shape, or the classifier's features have no distance.
            TrainingError: What `train` raises.
        """
        check_made(target, made, self.labeled, self.trainings.classes)
        judgment = _Judgment(self, target, made)
        return judgment.first_refusal() or judgment.second_refusal(made) or judgment.by_training(made)


class _Judgment:
    """One class at the gate, and what was measured so far."""

    def __init__(self, gate: Gate, target: int, made: Tensor | None) -> None:
        self.gate, self.bounds, self.trainings = gate, gate.bounds, gate.trainings
        self.target, self.made = target, None if made is None else len(made)
        self.real, self.held_out = (of_class(images, target) for images in (gate.labeled, gate.held_out))
        self.checks: list[Check] = []

    def first_refusal(self) -> Decision | None:
        """Refuse by numbers, before anything is computed; then when there is nothing to gain."""
        return self._refused_by(self._counted()) or self._refused_by(self._recalled())

    def second_refusal(self, made: Tensor) -> Decision | None:
        """Refuse by looking at the images."""
        return self._refused_by(self._looked_at(made))

    def by_training(self, made: Tensor) -> Decision:
        """Decide by the paired test."""
        weight = self.bounds.weight(len(self.real))
        test = paired_test(self.target, made, weight, self.trainings)
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
        yield class_recall(self.target, self.trainings.recalls(), self.gate.labeled.targets, self.bounds)

    def _looked_at(self, made: Tensor) -> Iterator[Check]:
        independent, frozen, seed = self.trainings.independent(), self.trainings.frozen(), self.gate.seed
        of_made, of_held_out = (predictions_of(independent, images) == self.target for images in (made, self.held_out))
        yield label_agreement(of_made, of_held_out, self.bounds)
        real, held_out, synthetic = (features_of(frozen, images) for images in (self.real, self.held_out, made))
        looked = Looked(real=real, held_out=held_out, made=synthetic)
        yield from compare(looked, self.bounds, seed)
        yield from told(looked, self.bounds, seed)

    def _refused_by(self, checks: Iterable[Check]) -> Decision | None:
        """Keep checks until the first that fails, and return its refusal."""
        for check in checks:
            self.checks.append(check)
            if not check.passed:
                return self._decided(refusal(check), 0.0)
        return None

    def _decided(self, reason: str, weight: float, test: PairedTest | None = None) -> Decision:
        return Decision(
            target=self.target,
            verdict="accepted" if weight else "refused",
            weight=weight,
            reason=reason + (set_aside_note(len(self.held_out)) if self.gate.aside else ""),
            real=len(self.real),
            made=self.made or 0,
            checks=tuple(self.checks),
            test=test,
            set_aside=len(self.gate.held_out) if self.gate.aside else 0,
        )
