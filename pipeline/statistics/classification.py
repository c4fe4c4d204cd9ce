"""How good a classifier is where classes are uneven: recall a class, balanced accuracy, and calibration. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipeline.errors import DataError

BINS = 15


@dataclass(frozen=True, kw_only=True)
class Classified:
    """What some images with known classes say of a classifier.

    Attributes:
        accuracy: Share of the images that it gets right.
        balanced_accuracy: Mean of the recalls of the classes that there are images of.
        class_recall: (K,), share of each class's images that it gets right; None for a class without images.
        calibration_error: See `calibration_error`.
        correct: Images that it gets right.
        total: Images.
    """

    accuracy: float
    balanced_accuracy: float
    class_recall: tuple[float | None, ...]
    calibration_error: float
    correct: int
    total: int


def classified(targets: ArrayLike, predicted: ArrayLike, confidence: ArrayLike, *, classes: int) -> Classified:
    """Return the figures of a classifier on some images.

    Args:
        targets: Class positions (N,), N >= 1.
        predicted: Class positions (N,); one beyond the classes is wrong.
        confidence: Probability of the predicted class (N,), in [0, 1].
        classes: K.

    Raises:
        DataError: There are no images, lengths differ, or a value is out of range.
    """
    truth, said = np.asarray(targets), np.asarray(predicted)
    recall = class_recall(truth, said, classes=classes)
    correct = int((truth == said).sum())
    return Classified(
        accuracy=correct / len(truth),
        balanced_accuracy=balanced_accuracy(recall),
        class_recall=recall,
        calibration_error=calibration_error(confidence, truth == said),
        correct=correct,
        total=len(truth),
    )


def class_recall(targets: ArrayLike, predicted: ArrayLike, *, classes: int) -> tuple[float | None, ...]:
    """Return the share of each class's images that is predicted as that class (K,); None for a class without images.

    Args:
        targets: Class positions (N,), N >= 1.
        predicted: Class positions (N,).
        classes: K.

    Raises:
        DataError: There are no images, lengths differ, or a target is out of range.

    >>> class_recall([0, 0, 0, 2], [0, 0, 2, 2], classes=3)
    (0.6666666666666666, None, 1.0)
    """
    truth, said = np.asarray(targets), np.asarray(predicted)
    if truth.ndim != 1 or truth.shape != said.shape or not len(truth):
        raise DataError(f"expected as many classes as predictions, one or more, got {truth.shape} and {said.shape}")
    if truth.min() < 0 or truth.max() >= classes:
        raise DataError(f"expected classes from 0 to {classes}, exclusive, got {truth.min()} to {truth.max()}")
    there = np.bincount(truth, minlength=classes)
    hits = np.bincount(truth[truth == said], minlength=classes)
    return tuple(float(hit / count) if count else None for hit, count in zip(hits, there, strict=True))


def balanced_accuracy(recall: Sequence[float | None]) -> float:
    """Return the mean recall of the classes that have one, each counting alike however many images it has.

    Raises:
        DataError: No class has one.

    >>> balanced_accuracy((0.5, None, 1.0))
    0.75
    """
    known = [share for share in recall if share is not None]
    if not known:
        raise DataError("expected the recall of a class or more, got none; measure on labeled images")
    return float(np.mean(known))


def worst_first(recall: Mapping[str, float | None]) -> list[tuple[str, float]]:
    """Return the classes that have a recall, the lowest first; equal ones stay in their order.

    >>> worst_first({"cat": 0.9, "dog": None, "eel": 0.2})
    [('eel', 0.2), ('cat', 0.9)]
    """
    known = [(name, share) for name, share in recall.items() if share is not None]
    return sorted(known, key=lambda item: item[1])


def calibration_error(confidence: ArrayLike, correct: ArrayLike, *, bins: int = BINS) -> float:
    """Return the expected calibration error of the predicted class: how far confidence is from being right.

    Images are put in bins of equal width by confidence; the error is the mean, over images, of the distance between a
    bin's mean confidence and its share of right answers (Guo et al. 2017, arXiv:1706.04599, 15 bins). A bin has its
    upper edge and not its lower one. With few images the figure is too high: empty bins say nothing, small ones much.

    Args:
        confidence: Probability of the predicted class (N,), in [0, 1].
        correct: Whether the predicted class is right (N,).
        bins: Number of bins.

    Raises:
        DataError: There are no images, lengths differ, or a confidence is out of range.

    >>> round(calibration_error([0.9, 0.9, 0.6, 0.6], [True, True, True, False]), 3)
    0.1
    """
    given, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if given.ndim != 1 or given.shape != right.shape or not len(given):
        raise DataError(f"expected as many confidences as answers, one or more, got {given.shape} and {right.shape}")
    if bins < 1 or not ((given >= 0) & (given <= 1 + 1e-6)).all():  # a softmax may exceed 1 by rounding
        raise DataError("expected confidences in [0, 1] and a bin or more, got others; take the softmax of the logits")
    place = np.clip(np.ceil(given * bins).astype(np.int64) - 1, 0, bins - 1)  # (N,)
    gaps = np.bincount(place, weights=given - right, minlength=bins)  # (bins,)
    return float(np.abs(gaps).sum() / len(given))
