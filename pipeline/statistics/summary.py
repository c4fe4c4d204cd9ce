"""What a comparison comes to: the records that `summarize` fills, and pages, reports and files show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.statistics.intervals import Estimate
from pipeline.statistics.paired import Difference
from pipeline.statistics.targets import AtBudget, ToTarget


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """The mean learning curve of an arm at one label count, over the arm's seeds.

    Attributes:
        labels: Labels paid for.
        mean: Accuracy, in [0, 1].
        low: Low end of the bootstrap band; None for fewer than 5 seeds.
        high: High end.
        balanced_accuracy: Mean; None if not measured, as all below.
        classes_covered: Classes with a label or more.
        rare_recall: Recall of the rare classes.
        calibration_error: Mean expected calibration error.
        query_seconds: Of the ranking that led here.
        train_seconds: Of the training.
    """

    labels: int
    mean: float
    low: float | None
    high: float | None
    balanced_accuracy: float | None
    classes_covered: float | None
    rare_recall: float | None
    calibration_error: float | None
    query_seconds: float | None
    train_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class ArmSummary:
    """One arm.

    Attributes:
        name: Of the arm.
        trains: The second network of a transfer; empty otherwise.
        seeds: Whose curves the area, the final accuracy and the mean curve are made of.
        missing: Seeds of the comparison that are not among them.
        area: Area under the curve, with a t interval.
        final: Accuracy at the last label count, with a t interval.
        curve: Rising in labels.
        budgets: One for each budget that some run reached.
        targets: One for each target; over all runs of the arm, unfinished ones too.
        query_seconds: Mean time of a ranking; None if not measured.
        train_seconds: Mean time of a training; None if not measured.
        runs: (labels, accuracy) of every run as far as it got, by seed: drawn where there is no band.
    """

    name: str
    trains: str
    seeds: tuple[int, ...]
    missing: tuple[int, ...]
    area: Estimate
    final: Estimate
    curve: tuple[CurvePoint, ...]
    budgets: tuple[AtBudget, ...]
    targets: tuple[ToTarget, ...]
    query_seconds: float | None
    train_seconds: float | None
    runs: Mapping[int, tuple[tuple[int, float], ...]]

    @property
    def labels(self) -> tuple[int, int]:
        """First and last label count that the area covers."""
        return self.curve[0].labels, self.curve[-1].labels


@dataclass(frozen=True, kw_only=True)
class DifferenceAt:
    """A paired difference of accuracy at one label count, with a t interval for that count alone.

    Attributes:
        labels: Labels paid for.
        mean: First arm minus second.
        low: None for fewer than 2 seeds.
        high: None for fewer than 2 seeds.
        p_raw: Of the paired t test, not corrected.
    """

    labels: int
    mean: float
    low: float | None
    high: float | None
    p_raw: float | None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two arms compared on the seeds and label counts that both have.

    Attributes:
        a: Name of the first arm.
        b: Name of the second; differences are a minus b.
        seeds: That both have.
        labels: First and last label count that both have.
        area: Difference of the areas; its p decides.
        final: Difference of the accuracies at the last label count, with its own correction.
        curve: Difference at each label count.
        identical: Every accuracy of one equals that of the other.
        alpha: p below this decides.
    """

    a: str
    b: str
    seeds: tuple[int, ...]
    labels: tuple[int, int]
    area: Difference
    final: Difference
    curve: tuple[DifferenceAt, ...]
    identical: bool
    alpha: float

    @property
    def winner(self) -> str | None:
        """The arm that is decidedly better by area, or None."""
        return {1: self.a, -1: self.b, 0: None}[self.area.decided(self.alpha)]

    def share_ahead(self, arm: str) -> float:
        """Return at what share of label counts an arm is ahead by a paired t test at alpha, not corrected.

        The entry of the pairwise penalty matrix of Ash et al. (BADGE, arXiv:1906.03671), as used by Lueth et al.
        (NeurIPS 2023).
        """
        sign = 1 if arm == self.a else -1
        ahead = sum(at.p_raw is not None and at.p_raw < self.alpha and at.mean * sign > 0 for at in self.curve)
        return ahead / len(self.curve)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Everything that can be said about the runs of a comparison.

    Attributes:
        arms: In the order in which they came.
        pairs: Every two arms that train the same network and share seeds.
        reference: The arm that the verdict is about.
        seeds: All seeds of any arm.
        confidence: Of all intervals; 1 - confidence is the alpha of all decisions.
        rare_classes: Positions of the classes whose recall is followed, rarest first.
        classes: How many classes there are; None if no curve says.
        notes: What was left out or could not be compared, in plain sentences.
        verdict: The answer in plain words.
    """

    arms: tuple[ArmSummary, ...]
    pairs: tuple[Pair, ...]
    reference: str
    seeds: tuple[int, ...]
    confidence: float
    rare_classes: tuple[int, ...]
    classes: int | None
    notes: tuple[str, ...]
    verdict: str = ""

    @property
    def alpha(self) -> float:
        """A corrected p below this decides."""
        return round(1 - self.confidence, 12)

    def arm(self, name: str) -> ArmSummary:
        """Return an arm by name; KeyError if there is none."""
        return {arm.name: arm for arm in self.arms}[name]

    def pair(self, a: str, b: str) -> Pair | None:
        """Return two arms compared, in whichever order they were; None if they could not be."""
        return next((pair for pair in self.pairs if {pair.a, pair.b} == {a, b}), None)
