"""DeepFool's first step, which alone is a quick estimate of the distance to the border.

Elsayed et al., "Large margin deep networks for classification", NeurIPS 2018, arXiv:1803.05598, equation 7.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.attacks.backward import has_small_convolutions, on_one_thread
from pipeline.attacks.border import Border, Norm, rank_others
from pipeline.attacks.chunks import Chunks
from pipeline.attacks.linearized import Linearized, Pruning
from pipeline.data.transforms import to_float
from pipeline.models.state import borrowed, device_and_type


@dataclass(frozen=True)
class FirstStep:
    """What the first look at images tells.

    Attributes:
        predicted: int64 (B,), the model's class.
        others: int64 (B, R), the classes to compare, by falling logit.
        border: The nearest of them. Its distance is the estimate, in pixels, without overshoot and minimum step; inf
            where no class can be reached, or none within the limit.
    """

    predicted: Tensor
    others: Tensor
    border: Border

    def __getitem__(self, rows: Tensor | slice) -> FirstStep:
        """Return the first step of some images."""
        return FirstStep(self.predicted[rows], self.others[rows], self.border[rows])


def first_step(
    model: nn.Module, images: Tensor, norm: Norm, candidates: int | None, pruning: Pruning | None = None
) -> FirstStep:
    """Look for the nearest linearized border of float images (B, C, H, W); the model is in eval mode already."""
    graph = Linearized(model, images)
    predicted, others = rank_others(graph.logits, candidates)
    return FirstStep(predicted, others, graph.nearest_border(predicted, others, norm, pruning))


def first_steps(
    model: nn.Module,
    images: Tensor,
    *,
    norm: Norm,
    candidates: int | None,
    chunks: Chunks,
    pruning: Pruning | None = None,
) -> FirstStep:
    """Take the first step with many images.

    Args:
        model: From images (B, C, S, S) to logits (B, K); left as found.
        images: uint8 or float (B, C, S, S).
        norm: 'l2' or 'linf'.
        candidates: How many other classes are looked at; None is all.
        chunks: How many images at a time.
        pruning: Leaves classes out that are too far away; None looks at all.
    """
    device, dtype = device_and_type(model)

    def some(part: slice) -> FirstStep:
        return first_step(model, to_float(images[part].to(device), dtype).clone(), norm, candidates, pruning)

    small = device.type == "cpu" and has_small_convolutions(model)
    with borrowed(model), torch.inference_mode(mode=False), torch.enable_grad(), on_one_thread(switch=small):
        parts = chunks.run(some, len(images))
    borders = [part.border for part in parts]
    return FirstStep(
        torch.cat([part.predicted for part in parts]),
        torch.cat([part.others for part in parts]),
        Border(
            torch.cat([border.distance for border in borders]),
            torch.cat([border.nearest for border in borders]),
            torch.cat([border.gradient for border in borders]),
        ),
    )
