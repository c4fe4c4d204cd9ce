"""What makers of images and the gate say to the rest: plain records, no images in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

Verdict = Literal["accepted", "refused"]


class ImageMaker(Protocol):
    """Makes images of a class: a generator, a translation from another class, or anything else that draws."""

    def make(self, target: int, count: int, *, seed: int) -> Tensor:
        """Return uint8 images (count, C, S, S) of one class; the same for the same seed on one kind of device."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One figure that the gate looks at.

    Attributes:
        name: In the field's terms: 'label_agreement', 'coverage', 'nearest_neighbor_ratio', ...
        value: What the synthetic images have.
        reference: What real images of the same number have among themselves; None where there is no such figure.
        low: Least value that passes, None for no bound.
        high: Largest value that passes, None for no bound.
        passed: Whether it is within the bounds; figures that are only told have none and always pass.
    """

    name: str
    value: float
    reference: float | None = None
    low: float | None = None
    high: float | None = None
    passed: bool = True


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """Trainings with and without the synthetic images, the same seeds, measured on real images held out.

    Attributes:
        seeds: How many pairs.
        recall_without: Mean recall of the class without them, in [0, 1].
        recall_with: Mean recall of the class with them.
        difference: Mean paired difference of the recalls.
        standard_error: Of that difference: over the pairs or over the held-out images, whichever is larger, for with
            few of either the other says too little.
        balanced_difference: Mean paired difference of the balanced accuracies.
    """

    seeds: int
    recall_without: float
    recall_with: float
    difference: float
    standard_error: float
    balanced_difference: float


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether the synthetic images of one class may train, and why.

    Attributes:
        target: Class position.
        verdict: 'accepted' or 'refused'.
        weight: What one synthetic image counts in the loss beside a real one, in [0, 1]; 0 when refused.
        reason: One sentence for people.
        real: Real labeled images of the class that trained.
        made: Synthetic images that were judged.
        checks: All figures that were measured, in order.
        test: The deciding paired test; None when a check refused before it.
        set_aside: Labeled images of all classes that were set aside to measure on, as no others were held out.
    """

    target: int
    verdict: Verdict
    weight: float
    reason: str
    real: int
    made: int
    checks: tuple[Check, ...]
    test: PairedTest | None
    set_aside: int = 0
