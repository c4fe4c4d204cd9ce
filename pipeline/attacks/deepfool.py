"""DeepFool, batched: the shortest step found over the decision border; its length is DFAL's score.

Moosavi-Dezfooli, Fawzi and Frossard, "DeepFool: a simple and accurate method to fool deep neural networks", CVPR 2016,
arXiv:1511.04599. On logits; the reference class is the model's own prediction; the nearest class is searched anew in
each step; overshoot 0.02 on the accumulated step, which is not fed back; no clipping.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from pipeline.attacks.border import Border, Norm, check_logits, length, nearest_border, rank_others, step_over
from pipeline.data.transforms import to_float
from pipeline.errors import StrategyError
from pipeline.models.state import borrowed, device_and_type


@dataclass(frozen=True)
class DeepFoolResult:
    """What DeepFool found for each image.

    Attributes:
        distance: float64 (B,), length of the perturbation with its overshoot, in pixels of [0, 1]; inf where the
            prediction did not change.
        perturbed: (B, C, S, S), of the model's type; may lie outside [0, 1]. Where distance is inf, no use.
        original: int64 (B,), the model's prediction.
        adversarial: int64 (B,), the prediction after the step; the original where distance is inf.
        iterations: int64 (B,), steps taken.
    """

    distance: Tensor
    perturbed: Tensor
    original: Tensor
    adversarial: Tensor
    iterations: Tensor


def deepfool(
    model: nn.Module,
    images: Tensor,
    *,
    norm: Norm = "l2",
    overshoot: float = 0.02,
    max_iterations: int = 50,
    minimum_step: float = 1e-4,
    candidates: int | None = None,
    bound: float = torch.inf,
    chunk: int | None = None,
) -> DeepFoolResult:
    """Push images just over the nearest decision border.

    The model is used in eval mode and in full precision, and handed back as it was found.

    Args:
        model: From images (B, C, S, S) in [0, 1] to logits (B, K), normalization inside.
        images: uint8 or float (B, C, S, S).
        norm: 'l2' or 'linf'.
        overshoot: Share added to the accumulated step.
        max_iterations: Most steps.
        minimum_step: Added to each step, so that an image on the border moves.
        candidates: How many other classes are looked at, by the logits of the image itself; None looks at all.
        bound: An image whose perturbation grows longer is given up, with distance inf.
        chunk: Images worked on at a time; None lets the image size decide. Halved when a GPU's memory is too small.

    Returns:
        Distances, perturbed images and classes, on the model's device.

    Raises:
        StrategyError: Logits or gradients are not finite, or an argument is out of range.
    """
    if norm not in ("l2", "linf") or max_iterations < 1 or (candidates is not None and candidates < 1):
        raise StrategyError(
            "expected norm 'l2' or 'linf', and 1 or more iterations and candidates, "
            f"got {norm!r}, {max_iterations} and {candidates}"
        )
    device, dtype = device_and_type(model)
    settings = _Settings(norm, 1 + overshoot, max_iterations, minimum_step, candidates, bound)
    size = chunk or attack_batch(tuple(images.shape[1:]), device)
    parts: list[DeepFoolResult] = []
    start = 0
    with borrowed(model), torch.inference_mode(mode=False), torch.enable_grad():
        while start < max(1, len(images)):
            try:
                part = to_float(images[start : start + size].to(device), dtype).clone()
                parts.append(_Attack(model, part, settings).run())
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                size = max(1, size // 2)
                continue
            start += size
    return DeepFoolResult(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(DeepFoolResult)))


def attack_batch(images: tuple[int, ...], device: torch.device) -> int:
    """Return how many images of shape (C, S, S) to attack at a time: 128 of 28 x 28 on a CPU, more on a GPU."""
    pixels = max(1, images[0] * images[1] * images[2])
    most, budget = (2048, 1 << 23) if device.type == "cuda" else (128, 1 << 19)
    return min(most, max(4, budget // pixels))


@dataclass(frozen=True)
class _Settings:
    norm: Norm
    stretch: float
    max_iterations: int
    minimum_step: float
    candidates: int | None
    bound: float


class _Attack:
    """DeepFool on one chunk; images leave the active set when they flip, pass the bound, or cannot move."""

    def __init__(self, model: nn.Module, images: Tensor, settings: _Settings) -> None:
        self.model, self.images, self.settings = model, images, settings
        count, device = len(images), images.device
        self.active = torch.arange(count, device=device)  # (A,)
        self.step = torch.zeros_like(images)  # (B, C, H, W), accumulated, without overshoot
        self.perturbed = images.clone()
        self.distance = torch.full((count,), torch.inf, dtype=torch.float64, device=device)
        self.iterations = torch.zeros(count, dtype=torch.int64, device=device)

    def run(self) -> DeepFoolResult:
        x, logits = self._forward(self.images)
        rows: Tensor | None = None
        self.original, self.others = rank_others(logits.detach(), self.settings.candidates)
        self.adversarial = self.original.clone()
        for _ in range(self.settings.max_iterations):
            if not len(self.active):
                break
            predicted, others = self.original[self.active], self.others[self.active]
            x, logits, rows = self._move(nearest_border(logits, x, predicted, others, self.settings.norm, rows))
        return DeepFoolResult(self.distance, self.perturbed, self.original, self.adversarial, self.iterations)

    def _forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = images.detach().requires_grad_()
        logits = self.model(x)
        check_logits(logits.detach())
        return x, logits

    def _move(self, border: Border) -> tuple[Tensor, Tensor, Tensor | None]:
        """Take a step with each active image; return what the next step needs of those that stay active."""
        self.step[self.active] += step_over(border, self.settings.norm, self.settings.minimum_step)
        self.iterations[self.active] += 1
        size = self.settings.stretch * length(self.step[self.active], self.settings.norm)  # (A,)
        self.active = self.active[(size <= self.settings.bound) & border.distance.isfinite()]
        x, logits = self._forward(self.images[self.active] + self.settings.stretch * self.step[self.active])
        predicted = logits.detach().argmax(dim=1)  # (A,)
        flipped = predicted != self.original[self.active]
        self._record(x.detach(), predicted, flipped)
        self.active = self.active[~flipped]
        return self._shrink(x, logits, ~flipped)

    def _shrink(self, x: Tensor, logits: Tensor, stay: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Leave the flipped images behind.

        Few of them are carried in the graph to the end of the step. Many would cost a backward pass a class each, and
        then a new graph of the others alone is cheaper.
        """
        if bool(stay.all()):
            return x, logits, None
        rows = stay.nonzero()[:, 0]
        if len(rows) and (len(stay) - len(rows)) * self.others.shape[1] > len(rows):
            return *self._forward(x[rows]), None
        return x, logits[rows], rows

    def _record(self, x: Tensor, predicted: Tensor, flipped: Tensor) -> None:
        done = self.active[flipped]
        self.perturbed[done] = x[flipped]
        self.adversarial[done] = predicted[flipped]
        self.distance[done] = self.settings.stretch * length(self.step[done], self.settings.norm)
