"""A quick estimate of the distance to the border: DeepFool's first step, without classes that cannot be the nearest.

Elsayed et al., "Large margin deep networks for classification", NeurIPS 2018, arXiv:1803.05598, equation 7.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.attacks.border import Border, Norm, check_logits, class_gradient, keep_nearer, rank_others
from pipeline.attacks.deepfool import attack_batch
from pipeline.data.transforms import to_float
from pipeline.models.state import borrowed, device_and_type


class Estimator:
    """Estimates distances, and remembers the largest gradient seen.

    Classes are taken by falling logit. One whose gap, divided by the largest gradient seen, is farther than the best so
    far is left out; for images near the border that is nearly all of them.

    Attributes:
        steepest: The largest dual norm of a gradient of a logit difference so far.
    """

    def __init__(self, model: nn.Module, norm: Norm, candidates: int | None) -> None:
        self.model, self.norm, self.candidates = model, norm, candidates
        self.steepest = 0.0

    def distances(self, images: Tensor, slack: float) -> NDArray[np.float64]:
        """Return the one-step distances of images.

        Args:
            images: uint8 or float (B, C, S, S).
            slack: In [0, 1]; at 0 every class is looked at.

        Returns:
            float64 (B,), without overshoot and minimum step; inf where no class can be reached.
        """
        device, dtype = device_and_type(self.model)
        size = attack_batch(tuple(images.shape[1:]), device)
        with borrowed(self.model), torch.inference_mode(mode=False), torch.enable_grad():
            parts = [self._some(to_float(part.to(device), dtype).clone(), slack) for part in torch.split(images, size)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _some(self, images: Tensor, slack: float) -> NDArray[np.float64]:
        x, logits = self._forward(images)
        predicted, others = rank_others(logits.detach(), self.candidates)
        gaps = logits.detach().gather(1, predicted[:, None]) - logits.detach().gather(1, others)  # (B, R)
        distance = torch.full_like(gaps[:, 0], torch.inf)  # (B,)
        rows = torch.arange(len(images), device=images.device)  # the images that the graph is of
        for rank in range(others.shape[1]):
            needed = self._needed(gaps[rows, rank], distance[rows], slack)
            if not len(needed):
                break
            if len(needed) * 2 < len(rows):  # a smaller graph pays
                rows = rows[needed]
                x, logits = self._forward(images[rows])
            last = rank == others.shape[1] - 1
            gradient = class_gradient(logits, x, predicted[rows], others[rows, rank], keep_graph=not last)
            start = Border(distance[rows], others[rows, rank], torch.zeros_like(x), self.steepest)
            best = keep_nearer(start, gaps[rows, rank], gradient, others[rows, rank], self.norm)
            distance[rows], self.steepest = best.distance, best.steepest
        return distance.double().cpu().numpy()

    def _needed(self, gap: Tensor, distance: Tensor, slack: float) -> Tensor:
        """Return the places whose class at hand may be nearer than the nearest so far."""
        least = gap * slack / self.steepest if self.steepest > 0 else torch.zeros_like(gap)
        return (least <= distance).nonzero()[:, 0]

    def _forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = images.detach().requires_grad_()
        logits = self.model(x)
        check_logits(logits.detach())
        return x, logits
