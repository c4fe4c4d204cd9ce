"""When to stop labeling: the budget, a plateau, models that agree, and what the next labels would bring.

Four signs, each with its numbers; none of them stops anything by itself but the budget. A single sign is easily wrong:
few images hide a gain, and models can agree on the same mistakes. So 'nearly flat' needs two of the other three.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from pipeline.errors import DataError
from pipeline.statistics.learning_gain import ExpectedGain, MeasuredLike, expected_gain

SETTLED_KAPPA = 0.99
WINDOW = 3
SMALL_GAIN = 0.01  # an expected gain that surely stays below it is no reason to go on

Verdict = Literal["go on", "nearly flat", "budget used", "not known yet"]


class StoppingFacts(Protocol):
    """What is known about a project; the records of the store are such."""

    @property
    def labels(self) -> int:
        """Labels so far."""

    @property
    def budget(self) -> int | None:
        """Labels after which no round begins; None without a limit."""

    @property
    def points(self) -> Sequence[MeasuredLike]:
        """Models of one kind, oldest first, all measured on the same images."""

    @property
    def changed(self) -> tuple[int, int] | None:
        """Images that the newest model gets right and the one `WINDOW` before it does not, and the other way round."""

    @property
    def kappas(self) -> Sequence[float]:
        """Agreement of each model with the one before it, oldest first."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """How the accuracy changed over the last `WINDOW` models, on the same images.

    Attributes:
        gain: New minus old, in [-1, 1].
        low: Low end of the 95 % interval.
        high: High end.
        images: They were measured on.
    """

    gain: float
    low: float
    high: float
    images: int


@dataclass(frozen=True, kw_only=True)
class StoppingAdvice:
    """What the signs say together, and each by itself; None where a sign is not known yet.

    Attributes:
        verdict: 'budget used' when it is; 'nearly flat' when at least two of the other signs say so; 'not known yet'
            while none of them is known.
        labels: So far.
        budget: Labels that may be used; None without a limit.
        change: Of the accuracy over the last models.
        agreement: Mean Cohen's kappa of the last `WINDOW` pairs of successive models.
        gain: Expected of the next labels.
    """

    verdict: Verdict
    labels: int
    budget: int | None
    change: Change | None
    agreement: float | None
    gain: ExpectedGain | None


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> float:
    """Return how far two models agree beyond chance on the same images; 1 where both name one class alone.

    Cohen, A coefficient of agreement for nominal scales (Educational and Psychological Measurement 20, 1960).

    Args:
        first: Class positions by one (N,), N >= 1.
        second: By the other (N,).

    Raises:
        DataError: There are no images, or the lengths differ.

    >>> round(cohen_kappa([0, 0, 1, 1], [0, 0, 1, 0]), 2)
    0.5
    """
    one, two = np.asarray(first), np.asarray(second)
    if one.ndim != 1 or one.shape != two.shape or not len(one):
        raise DataError(f"expected the classes of the same images by both, got shapes {one.shape} and {two.shape}")
    _, places = np.unique(np.concatenate([one, two]), return_inverse=True)
    size, classes = len(one), int(places.max()) + 1
    shares = [np.bincount(part, minlength=classes) / size for part in (places[:size], places[size:])]
    by_chance = float(shares[0] @ shares[1])
    return 1.0 if by_chance == 1 else float((one == two).mean() - by_chance) / (1 - by_chance)


def paired_change(gained: int, lost: int, images: int, confidence: float = 0.95) -> Change:
    """Return the difference of two accuracies on the same images, with the interval for matched pairs.

    Wald's interval with half an image added to each of the four cells (Agresti and Min, Simple improved confidence
    intervals for comparing matched proportions, Statistics in Medicine 24, 2005).

    Args:
        gained: Images that the new model gets right and the old one does not.
        lost: The other way round.
        images: All.
        confidence: In (0, 1).

    Raises:
        DataError: The counts are impossible.

    >>> found = paired_change(20, 4, 200)
    >>> round(found.gain, 3), round(found.low, 3), round(found.high, 3)
    (0.08, 0.032, 0.126)
    """
    if min(gained, lost) < 0 or images < 1 or gained + lost > images:
        raise DataError(f"expected 0 <= gained + lost <= images, got {gained}, {lost} and {images}")
    z, size = NormalDist().inv_cdf(0.5 + confidence / 2), images + 2
    middle = (gained - lost) / size
    half = z * math.sqrt(gained + lost + 1 - (gained - lost) ** 2 / size) / size
    return Change(
        gain=(gained - lost) / images, low=max(-1.0, middle - half), high=min(1.0, middle + half), images=images
    )


def unpaired_change(new: MeasuredLike, old: MeasuredLike, confidence: float = 0.95) -> Change:
    """Return the difference of two accuracies where it is not known which images were right: a wider interval.

    Wald's interval with one right and one wrong image added to each (Agresti and Caffo, Simple and effective
    confidence intervals for proportions, The American Statistician 54, 2000). On the same images it is too wide.

    Raises:
        DataError: The counts are impossible.
    """
    if not (0 <= new.correct <= new.total and 0 <= old.correct <= old.total) or min(new.total, old.total) < 1:
        raise DataError("expected 0 <= correct <= total and an image or more, got other counts; measure again")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    after, before = ((point.correct + 1) / (point.total + 2) for point in (new, old))
    half = z * math.sqrt(after * (1 - after) / (new.total + 2) + before * (1 - before) / (old.total + 2))
    return Change(
        gain=new.correct / new.total - old.correct / old.total,
        low=max(-1.0, after - before - half),
        high=min(1.0, after - before + half),
        images=new.total,
    )


def advise(facts: StoppingFacts, generator: np.random.Generator) -> StoppingAdvice:
    """Say whether more labels are worth it.

    'Nearly flat' when two of these hold: the interval of the change over the last 3 models includes no gain; Cohen's
    kappa of successive models on unlabeled images is 0.99 or more, as a mean of the last 3 (Bloodgood and
    Vijay-Shanker, A method for stopping active learning based on stabilizing predictions, CoNLL 2009,
    arXiv:1409.5165); the next 100 labels surely bring less than 1 point.

    Args:
        facts: About the project.
        generator: Draws the resamples of the expected gain; with the same seed the advice is the same.

    Raises:
        DataError: A count is impossible.
    """
    change, agreement = _change(facts), _agreement(facts.kappas)
    gain = expected_gain(facts.points, generator)
    signs = [
        None if change is None else change.low <= 0,
        None if agreement is None else agreement >= SETTLED_KAPPA,
        None if gain is None else gain.high < SMALL_GAIN,
    ]
    return StoppingAdvice(
        verdict=_verdict(facts, signs),
        labels=facts.labels,
        budget=facts.budget,
        change=change,
        agreement=agreement,
        gain=gain,
    )


def _verdict(facts: StoppingFacts, signs: Sequence[bool | None]) -> Verdict:
    if facts.budget is not None and facts.labels >= facts.budget:
        return "budget used"
    if all(sign is None for sign in signs):
        return "not known yet"
    return "nearly flat" if signs.count(True) >= 2 else "go on"


def _change(facts: StoppingFacts) -> Change | None:
    if len(facts.points) <= WINDOW:
        return None
    new, old = facts.points[-1], facts.points[-1 - WINDOW]
    return unpaired_change(new, old) if facts.changed is None else paired_change(*facts.changed, images=new.total)


def _agreement(kappas: Sequence[float]) -> float | None:
    return sum(kappas[-WINDOW:]) / WINDOW if len(kappas) >= WINDOW else None
