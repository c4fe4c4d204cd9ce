"""The figures of synthetic images beside those of held-out real ones, in the order in which the gate looks at them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pipeline.augmentation.gate.bounds import GateBounds
from pipeline.augmentation.gate.manifold import Manifold, distances, manifold, mean_pair, nearest
from pipeline.augmentation.gate.sets import domain_auc, frechet_distance, kernel_distance
from pipeline.augmentation.records import Check
from pipeline.errors import DataError
from pipeline.randomness import derive_seed

_COMMON = 0.5  # of the mean number of labels a class
_ONE_SIDED = 1.645  # standard errors
_NOTHING = 1e-4  # of the usual distance: an image that near is the same one


@dataclass(frozen=True, kw_only=True)
class Looked:
    """Features of the images of one class, by a classifier that learned from the real ones alone.

    Attributes:
        real: float64 (N, D), the images that train.
        held_out: float64 (M, D), real images that nothing learned from.
        made: float64 (F, D), the synthetic images.
    """

    real: Tensor
    held_out: Tensor
    made: Tensor

    def at_most(self, count: int, seed: int) -> Looked:
        """Return the same with at most `count` images a set, drawn by the seed."""
        return Looked(
            real=_drawn(self.real, count, derive_seed(seed, "real")),
            held_out=_drawn(self.held_out, count, derive_seed(seed, "held out")),
            made=_drawn(self.made, count, derive_seed(seed, "made")),
        )


def bounded(check: Check) -> Check:
    """Return a check with its verdict by its bounds; what is not a number passes none."""
    low, high = check.low, check.high
    return replace(check, passed=(low is None or check.value >= low) and (high is None or check.value <= high))


def class_recall(target: int, recalls: dict[int, float], labels: Tensor, bounds: GateBounds) -> Check:
    """Return the recall of a class without synthetic images beside that of the common ones.

    Args:
        target: The class.
        recalls: Of each class that has held-out images, in [0, 1].
        labels: int64 (N,), the classes of the labeled images; those with half of the mean number or more are common.
        bounds: The bounds.
    """
    counts = labels.bincount().double()
    common = {int(place) for place in torch.nonzero(counts >= _COMMON * counts.mean())} - {target}
    found = [recall for place, recall in recalls.items() if place in common]
    reference = _mean(found) if found else None
    high = bounds.enough_recall * reference if reference else None
    passed = high is None or recalls[target] < high
    return Check(name="class_recall", value=recalls[target], reference=reference, high=high, passed=passed)


def label_agreement(of_made: Tensor, of_held_out: Tensor, bounds: GateBounds) -> Check:
    """Return the share of images that an independent classifier gives the class.

    Where it knows even real images of the class less well than the bound asks, theirs is the bound, less the error
    that two samples of these sizes have (one-sided, 95 %).

    Args:
        of_made: bool (F,), whether it gives the class to each synthetic image.
        of_held_out: bool (M,), the same for real images held out.
        bounds: The bounds.
    """
    value, reference = (float(of.double().mean()) for of in (of_made, of_held_out))
    error = math.sqrt(reference * (1 - reference) * (1 / len(of_made) + 1 / len(of_held_out)))
    low = max(bounds.least_agreement, min(bounds.label_agreement, reference - _ONE_SIDED * error))
    return bounded(Check(name="label_agreement", value=value, reference=reference, low=low))


def compare(looked: Looked, bounds: GateBounds, seed: int) -> Iterator[Check]:
    """Yield the figures that can refuse, cheap ones first; stop asking at the first that does.

    Raises:
        DataError: Held-out images have no distance from the labeled ones, so that nothing can be told by distances.
    """
    few = looked.at_most(bounds.most_compared, derive_seed(seed, "compared"))
    yield _pairs(few, bounds)
    yield from _manifolds(few, bounds, seed)
    yield from _neighbors(looked, bounds)


def told(looked: Looked, bounds: GateBounds, seed: int) -> Iterator[Check]:
    """Yield figures without bounds: the distances of Frechet and of kernels, and how well the sets can be told apart.

    None of them decides: of 60 perfect images the Frechet distance is 14 times that of 600 (Chong and Forsyth,
    arXiv:1911.07023, on its bias), and it does not predict use (Ravuri and Vinyals, arXiv:1905.10887). Beside the
    reference, which has as many real images, they are still worth a look.
    """
    few = looked.at_most(bounds.most_compared, derive_seed(seed, "compared"))
    size = min(len(few.made), len(few.held_out))
    made = _drawn(few.made, size, derive_seed(seed, "told made"))
    held_out = _drawn(few.held_out, size, derive_seed(seed, "told held out"))
    for name, figure in (("domain_auc", domain_auc), ("fid", frechet_distance), ("kid", kernel_distance)):
        value, reference = (figure(few.real, images, derive_seed(seed, name)) for images in (made, held_out))
        yield Check(name=name, value=value, reference=reference)


def _pairs(looked: Looked, bounds: GateBounds) -> Check:
    real, held_out, made = (mean_pair(distances(one, one)) for one in (looked.real, looked.held_out, looked.made))
    usual = _positive(held_out)
    return bounded(Check(name="pair_ratio", value=made / usual, reference=real / usual, low=bounds.pair_ratio))


def _manifolds(looked: Looked, bounds: GateBounds, seed: int) -> Iterator[Check]:
    of_made, of_held_out = _draw_manifolds(looked, bounds, seed)
    for name in ("precision", "recall", "density", "coverage"):
        values, references = ([float(getattr(one, name)) for one in many] for many in (of_made, of_held_out))
        reference = _mean(references)
        low = min(float(getattr(bounds, name)) * reference, _lower(references))
        yield bounded(Check(name=name, value=_mean(values), reference=reference, low=low))


def _draw_manifolds(looked: Looked, bounds: GateBounds, seed: int) -> tuple[list[Manifold], list[Manifold]]:
    """Return the figures of subsets of synthetic and of as many held-out images, beside the same real ones."""
    size, known = _size(len(looked.made), len(looked.held_out), bounds), int(bounds.drawn * len(looked.real))
    k = max(1, min(bounds.neighbors, min(size, known) // 10))
    among = distances(looked.real, looked.real)  # (N, N)
    found: tuple[list[Manifold], list[Manifold]] = ([], [])
    for draw in range(bounds.draws):
        real = _places(len(looked.real), known, derive_seed(seed, "draw of real", draw))
        for images, figures, name in zip((looked.made, looked.held_out), found, ("made", "held out"), strict=True):
            some = images[_places(len(images), size, derive_seed(seed, f"draw of {name}", draw))]
            across = distances(looked.real[real], some)  # (n, m)
            figures.append(manifold(among[real][:, real], across, distances(some, some), k))
    return found


def _neighbors(looked: Looked, bounds: GateBounds) -> Iterator[Check]:
    to_real, usual = nearest(looked.made, looked.real), nearest(looked.held_out, looked.real)
    yield bounded(
        Check(
            name="nearest_neighbor_ratio", value=float(to_real.median()) / _positive(float(usual.median())),
            reference=1.0, low=bounds.least_neighbor_ratio, high=bounds.most_neighbor_ratio,
        )
    )  # fmt: skip
    to_known = torch.minimum(to_real, nearest(looked.made, looked.held_out))  # (F,)
    between = torch.minimum(usual, _others(looked.held_out))  # (M,), what a new real image has
    threshold = max(float(between.quantile(bounds.copy_quantile)), _NOTHING * float(between.median()))
    yield bounded(
        Check(
            name="copied_share", value=float((to_known <= threshold).double().mean()),
            reference=float((between <= threshold).double().mean()), high=bounds.copies_allowed(len(between)),
        )
    )  # fmt: skip


def _others(features: Tensor) -> Tensor:
    """Return the distance (M,) of each to the nearest other."""
    among = distances(features, features)
    return among.fill_diagonal_(float("inf")).amin(dim=1)


def _positive(distance: float) -> float:
    if not distance > 0:
        raise DataError(
            "expected held-out images of the class that differ from the labeled ones and each other, got distances of "
            f"{distance} by the classifier's features; look for repeated images, or for a training that failed"
        )
    return distance


def _size(made: int, held_out: int, bounds: GateBounds) -> int:
    return max(2, int(bounds.drawn * min(made, held_out)))


def _places(count: int, size: int, seed: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:size]


def _drawn(values: Tensor, size: int, seed: int) -> Tensor:
    return values[_places(len(values), size, seed)] if len(values) > size else values


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _lower(values: list[float]) -> float:
    """Return the 5 % quantile."""
    return float(torch.tensor(values, dtype=torch.float64).quantile(0.05))
