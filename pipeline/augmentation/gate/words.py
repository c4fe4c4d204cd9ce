"""One plain sentence for each way in which the gate refuses, with the figure and the bound."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.augmentation.gate.bounds import GateBounds
from pipeline.augmentation.records import Check, PairedTest


def refusal(check: Check) -> str:
    """Return why a check refuses."""
    return _SENTENCES[check.name](check)


def refusal_by_test(test: PairedTest, bounds: GateBounds) -> str | None:
    """Return why the paired test refuses, None when it does not.

    A gain of exactly the bound is none, and neither is balanced accuracy allowed to fall for it.
    """
    needed = bounds.standard_errors * test.standard_error
    if not test.difference > max(needed, _ROUNDING):
        return (
            f"Training with the synthetic images does not help: over {test.seeds} pairs of trainings the recall of the "
            f"class went from {_percent(test.recall_without)} to {_percent(test.recall_with)} on held-out images, a "
            f"change of {_points(test.difference)}; more than {_points(needed)} (one standard error) is needed."
        )
    if not test.balanced_difference >= -_ROUNDING:
        return (
            "Training with the synthetic images harms the other classes: balanced accuracy changed by "
            f"{_points(test.balanced_difference)} on held-out images, and must not fall (0.0 points or more)."
        )
    return None


def acceptance(test: PairedTest, weight: float) -> str:
    """Return what the images did, and what each counts."""
    return (
        f"The synthetic images help: over {test.seeds} pairs of trainings the recall of the class went from "
        f"{_percent(test.recall_without)} to {_percent(test.recall_with)} on held-out images (standard error "
        f"{_points(test.standard_error)}). One counts {weight:g} of a real image in training."
    )


def set_aside_note(aside: int) -> str:
    """Return that labels were set aside, or nothing."""
    return f" No held-out images were given: {aside} labels of this class were set aside to measure." if aside else ""


_ROUNDING = 1e-9


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _points(value: float) -> str:
    return f"{100 * value:+.1f} points" if value < 0 else f"{100 * value:.1f} points"


def _floor(text: str) -> Callable[[Check], str]:
    """A sentence about a share that is too low: {value}, {reference} and {low} are percentages."""

    def say(check: Check) -> str:
        reference = "" if check.reference is None else _percent(check.reference)
        return text.format(value=_percent(check.value), reference=reference, low=_percent(check.low or 0.0))

    return say


def _neighbors(check: Check) -> str:
    if check.low is not None and check.value < check.low:
        return (
            "The synthetic images are too close to training images, which is memorized rather than new: the usual "
            f"distance to the nearest one is {check.value:.2f} of that of real new images, at least {check.low:g} is "
            "needed."
        )
    return (
        "The synthetic images are too far from real ones: the usual distance to the nearest training image is "
        f"{check.value:.2f} times that of real new images, at most {check.high:g} is allowed."
    )


_SENTENCES: dict[str, Callable[[Check], str]] = {
    "real_images": lambda check: (
        f"This class has {check.value:.0f} real images to learn from; below {check.low:.0f} generated images do harm, "
        "so none are used. Label more of this class first."
    ),
    "held_out_images": lambda check: (
        f"Only {check.value:.0f} real images of this class are held out to measure on; at least {check.low:.0f} are "
        "needed. Label more of this class first."
    ),
    "made_images": lambda check: (
        f"Only {check.value:.0f} synthetic images were made; at least {check.low:.0f} are needed to judge them."
    ),
    "made_per_real": lambda check: (
        f"There are {check.value:.1f} synthetic images for each real one; at most {check.high:g} are allowed."
    ),
    "class_recall": lambda check: (
        f"Nothing to gain: without synthetic images {_percent(check.value)} of this class are recognized already; "
        f"from {_percent(check.high or 0.0)} on it keeps up with the common classes, which have "
        f"{_percent(check.reference or 0.0)}."
    ),
    "label_agreement": _floor(
        "Only {value} of the synthetic images are recognized as this class by an independent classifier (real ones: "
        "{reference}); at least {low} are needed."
    ),
    "pair_ratio": _floor(
        "The synthetic images are nearly all alike: their distances from each other are {value} of those of real "
        "images; at least {low} are needed."
    ),
    "precision": _floor(
        "Only {value} of the synthetic images look like real ones (real new images: {reference}); at least {low} are "
        "needed."
    ),
    "recall": _floor(
        "The synthetic images show too little variety: they span {value} of the real ones (real new images: "
        "{reference}); at least {low} are needed."
    ),
    "density": _floor(
        "The synthetic images lie where few real ones do: their density is {value} (real new images: {reference}); at "
        "least {low} is needed."
    ),
    "coverage": _floor(
        "The synthetic images show too few kinds of real ones: {value} of these have one nearby (real new images: "
        "{reference}); at least {low} are needed."
    ),
    "nearest_neighbor_ratio": _neighbors,
    "copied_share": lambda check: (
        f"Of the synthetic images {_percent(check.value)} are copies of real ones, next to nothing apart from them; at "
        f"most {_percent(check.high or 0.0)} are allowed."
    ),
}  # fmt: skip
