"""A model taken for linear at some images, and a search for the nearest class that leaves out those too far away.

A logit gap cannot close in less than the gap divided by the largest gradient. So where one class is known to be near,
most others need no backward pass; near the border that is nearly all of them.

Letters: B images, A of them in the graph, K classes, R other classes looked at, (C, H, W) an image.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.attacks.border import Border, Norm, check_logits, class_gradient, dual_norm, keep_nearer, no_border


class Steepness:
    """Remembers the largest gradient.

    Attributes:
        largest: The largest dual norm of a gradient of a logit difference seen so far.
    """

    def __init__(self) -> None:
        self.largest = 0.0

    def see(self, gradient: Tensor, norm: Norm) -> None:
        """Take gradients (B, C, H, W) into account."""
        if len(gradient):
            self.largest = max(self.largest, float(dual_norm(gradient, norm).max()))

    def least(self, gap: Tensor) -> Tensor:
        """Return the distance (B,) below which gaps (B,) cannot close, if no gradient is larger than those seen."""
        return gap / self.largest if self.largest > 0 else torch.zeros_like(gap)


@dataclass(frozen=True)
class Pruning:
    """Which classes need no look when the nearest one is searched.

    Attributes:
        steepness: Bounds the distance of a class from below; is told of every gradient.
        share: In [0, 1], how much of that bound is believed; at 0 every class is looked at.
        limit: In pixels; what is farther than this does not matter.
    """

    steepness: Steepness
    share: float
    limit: float = torch.inf

    def needed(self, gap: Tensor, distance: Tensor) -> Tensor:
        """Return the rows (A,) whose class, `gap` (B,) behind, may be nearer than `distance` (B,)."""
        least = self.steepness.least(gap)
        return ((least * self.share <= distance) & (least <= self.limit)).nonzero()[:, 0]


class Linearized:
    """Logits of some images, with the graph back to the pixels.

    Args:
        model: From images (B, C, H, W) to logits (B, K).
        images: (B, C, H, W), floats.
    """

    def __init__(self, model: nn.Module, images: Tensor) -> None:
        self.model, self.images = model, images.detach().requires_grad_()
        self.graph = torch.as_tensor(model(self.images))  # (A, K)
        check_logits(self.graph.detach())
        self.rows: Tensor | None = None  # (B,), the rows of the graph that count; None is all

    @property
    def logits(self) -> Tensor:
        """The logits (B, K), without the graph."""
        return self.graph.detach() if self.rows is None else self.graph.detach()[self.rows]

    def keep(self, rows: Tensor, passes: int) -> Linearized:
        """Let only some of the rows count from here on.

        Others are carried in the graph to the end of the step, as long as a new graph without them would cost more.

        Args:
            rows: int64, places among the rows that count now.
            passes: Backward passes to come.
        """
        within = rows if self.rows is None else self.rows[rows]
        if len(rows) and (len(self.images) - len(rows)) * passes > len(rows):
            return Linearized(self.model, self.images.detach()[within])
        fewer = Linearized.__new__(Linearized)
        fewer.model, fewer.images, fewer.graph, fewer.rows = self.model, self.images, self.graph, within
        return fewer

    def gradient(self, predicted: Tensor, other: Tensor) -> Tensor:
        """Return the gradient of f_other - f_predicted by the pixels (B, C, H, W)."""
        if self.rows is None:
            return class_gradient(self.model, self.graph, self.images, predicted, other, keep_graph=True)
        graph = self.graph[self.rows]
        return class_gradient(self.model, graph, self.images, predicted, other, keep_graph=True)[self.rows]

    def nearest_border(self, predicted: Tensor, others: Tensor, norm: Norm, pruning: Pruning | None = None) -> Border:
        """Find the nearest of the given classes, looking at the smallest gaps first.

        Args:
            predicted: int64 (B,), the class to leave.
            others: int64 (B, R), the classes to compare.
            norm: 'l2' or 'linf'.
            pruning: Leaves classes out; None looks at all.
        """
        gaps, order = (self.logits.gather(1, predicted[:, None]) - self.logits.gather(1, others)).sort(stable=True)
        others = others.gather(1, order)  # (B, R)
        graph, rows = self, torch.arange(len(gaps), device=gaps.device)
        best = no_border(others[:, 0], torch.zeros_like(self.images[: len(gaps)]))
        for gap, other in zip(gaps.T, others.T, strict=True):
            if pruning is not None:
                needed = pruning.needed(gap[rows], best.distance[rows])
                if not len(needed):
                    break  # the gaps of the classes to come are larger
                if len(needed) < len(rows):
                    graph, rows = graph.keep(needed, 1), rows[needed]
            gradient = graph.gradient(predicted[rows], other[rows])
            if pruning is not None:
                pruning.steepness.see(gradient, norm)
            nearer = keep_nearer(best[rows], gap[rows], gradient, other[rows], norm)
            best.distance[rows], best.nearest[rows], best.gradient[rows] = (
                nearer.distance, nearer.nearest, nearer.gradient,
            )  # fmt: skip
        return best
