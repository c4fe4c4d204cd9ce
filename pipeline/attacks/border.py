"""The nearest decision border of a model that is taken for linear: DeepFool's step, and on its own a quick estimate.

For each other class k the linearized border lies |f_k - f_0| / ||w_k|| away, where w_k is the gradient of f_k - f_0
(Moosavi-Dezfooli, Fawzi and Frossard, "DeepFool", CVPR 2016, arXiv:1511.04599).

Letters: B images, K classes, R other classes looked at, (C, H, W) an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.attacks.backward import pixel_gradient
from pipeline.errors import StrategyError

Norm = Literal["l2", "linf"]


@dataclass
class Border:
    """The nearest linearized border of each image.

    Attributes:
        distance: (B,), in pixels of [0, 1]; inf where no class can be reached (zero gradients).
        nearest: int64 (B,), the class behind it.
        gradient: (B, C, H, W), w of that class.
    """

    distance: Tensor
    nearest: Tensor
    gradient: Tensor

    def __getitem__(self, rows: Tensor | slice) -> Border:
        """Return the borders of some images (A,)."""
        return Border(self.distance[rows], self.nearest[rows], self.gradient[rows])


def no_border(nearest: Tensor, images: Tensor) -> Border:
    """Return what is known before any class was looked at: infinitely far."""
    return Border(images.new_full((len(nearest),), torch.inf), nearest, torch.zeros_like(images))


def rank_others(logits: Tensor, candidates: int | None) -> tuple[Tensor, Tensor]:
    """Return the predicted class (B,) and the other classes by falling logit (B, R)."""
    order = logits.argsort(dim=1, descending=True, stable=True)  # (B, K)
    predicted = logits.argmax(dim=1)  # (B,)
    others = order[order != predicted[:, None]].view(len(logits), logits.shape[1] - 1)  # (B, K - 1)
    return predicted, others if candidates is None else others[:, :candidates]


def nearest_border(
    model: nn.Module, logits: Tensor, images: Tensor, predicted: Tensor, others: Tensor, norm: Norm
) -> Border:
    """Compare all the given classes; one backward pass each, and only the best gradient is kept.

    Args:
        model: That gave the logits.
        logits: (B, K), with the graph that leads to `images`.
        images: (B, C, H, W), requiring gradients.
        predicted: int64 (B,), the class to leave.
        others: int64 (B, R), the classes to compare.
        norm: 'l2', or 'linf' (whose dual norm is the sum of absolute values).
    """
    gaps = logits.detach().gather(1, predicted[:, None]) - logits.detach().gather(1, others)  # (B, R)
    best = no_border(others[:, 0], images.detach())
    for rank in range(others.shape[1]):
        last = rank == others.shape[1] - 1
        gradient = class_gradient(model, logits, images, predicted, others[:, rank], keep_graph=not last)
        best = keep_nearer(best, gaps[:, rank], gradient, others[:, rank], norm)
    return best


def class_gradient(
    model: nn.Module, logits: Tensor, images: Tensor, predicted: Tensor, other: Tensor, *, keep_graph: bool
) -> Tensor:
    """Return the gradient of f_other - f_predicted by the pixels (B, C, H, W)."""
    difference = logits.gather(1, other[:, None]) - logits.gather(1, predicted[:, None])  # (B, 1)
    return pixel_gradient(model, difference.sum(), images, keep_graph=keep_graph)


def keep_nearer(best: Border, gap: Tensor, gradient: Tensor, other: Tensor, norm: Norm) -> Border:
    """Take another class into account: it replaces the best one where it is nearer.

    Args:
        best: What was nearest so far.
        gap: (B,), f_predicted - f_other.
        gradient: (B, C, H, W) of the other class.
        other: int64 (B,).
        norm: Of the distance.

    Raises:
        StrategyError: A gradient is not a number.
    """
    size = dual_norm(gradient, norm)  # (B,)
    if not bool(size.isfinite().all()):
        raise StrategyError("expected finite gradients, got NaN or infinity; check the model's weights and its layers")
    distance = torch.where(size > 0, gap.abs() / size, torch.inf)  # (B,)
    nearer = distance < best.distance
    return Border(
        torch.where(nearer, distance, best.distance),
        torch.where(nearer, other, best.nearest),
        torch.where(nearer[:, None, None, None], gradient, best.gradient),
    )


def dual_norm(gradient: Tensor, norm: Norm) -> Tensor:
    """Return the norm (B,) by which a logit gap is divided: Euclidean for 'l2', sum of absolutes for 'linf'."""
    return torch.as_tensor(torch.linalg.vector_norm(gradient.flatten(1), ord=2 if norm == "l2" else 1, dim=1))


def length(perturbation: Tensor, norm: Norm) -> Tensor:
    """Return the length (B,) of perturbations (B, C, H, W), in float64."""
    order = 2 if norm == "l2" else torch.inf
    return torch.as_tensor(torch.linalg.vector_norm(perturbation.flatten(1).double(), ord=order, dim=1))


def step_over(border: Border, norm: Norm, minimum_step: float) -> Tensor:
    """Return the steps (B, C, H, W) to the border plus `minimum_step`; zero where no class can be reached."""
    reach = torch.where(border.distance.isfinite(), border.distance + minimum_step, 0.0)  # (B,)
    if norm == "linf":
        return reach[:, None, None, None] * border.gradient.sign()
    size = dual_norm(border.gradient, norm).clamp_min(torch.finfo(reach.dtype).tiny)
    return (reach / size)[:, None, None, None] * border.gradient


def check_logits(logits: Tensor, classes: int | None = None) -> None:
    """Make sure that logits are finite and as many as expected.

    Raises:
        StrategyError: They are not.
    """
    if logits.ndim != 2 or logits.shape[1] < 2 or (classes is not None and logits.shape[1] != classes):
        raise StrategyError(
            f"expected logits (B, {classes or 'K'}) of 2 classes or more, got {tuple(logits.shape)}; "
            "take a model made for this project's classes"
        )
    if not bool(logits.isfinite().all()):
        row = int((~logits.isfinite()).any(dim=1).nonzero()[0, 0])
        raise StrategyError(
            f"expected finite logits, got NaN or infinity in row {row} of a batch of {len(logits)}; "
            "train the model again with a lower learning rate, and check that image"
        )
