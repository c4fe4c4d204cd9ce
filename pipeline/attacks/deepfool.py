"""DeepFool, batched: the shortest step found over the decision border; its length is DFAL's score.

Moosavi-Dezfooli, Fawzi and Frossard, "DeepFool: a simple and accurate method to fool deep neural networks", CVPR 2016,
arXiv:1511.04599. On logits; the reference class is the model's own prediction; the nearest class is searched anew in
each step; overshoot 0.02 on the accumulated step, which is not fed back; no clipping.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from pipeline.attacks.backward import has_small_convolutions, on_one_thread
from pipeline.attacks.border import Border, Norm, length, step_over
from pipeline.attacks.chunks import Chunks, attack_batch, fitting_batch
from pipeline.attacks.estimate import FirstStep, first_step
from pipeline.attacks.linearized import Linearized, Pruning
from pipeline.data.transforms import to_float
from pipeline.errors import StrategyError
from pipeline.models.state import borrowed, device_and_type

__all__ = ["DeepFoolResult", "DeepFoolSettings", "attack_batch", "deepfool", "push"]


@dataclass(frozen=True)
class DeepFoolSettings:
    """How DeepFool runs; see `deepfool`.

    Raises:
        StrategyError: An argument is out of range.
    """

    norm: Norm = "l2"
    overshoot: float = 0.02
    max_iterations: int = 50
    minimum_step: float = 1e-4
    candidates: int | None = None

    def __post_init__(self) -> None:
        few = self.max_iterations < 1 or (self.candidates is not None and self.candidates < 1)
        if self.norm not in ("l2", "linf") or few:
            raise StrategyError(
                "expected norm 'l2' or 'linf', and 1 or more iterations and candidates, "
                f"got {self.norm!r}, {self.max_iterations} and {self.candidates}; change what is out of range"
            )
        if not 0 <= self.overshoot <= 1 or not 0 <= self.minimum_step <= 1:
            raise StrategyError(
                f"expected overshoot and minimum step in [0, 1], got {self.overshoot} and {self.minimum_step}; "
                "0.02 and 0.0001 are usual"
            )


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
        chunk: Images worked on at a time; None lets the image size and the memory that the model needs decide. Halved
            when a GPU's memory is too small.

    Returns:
        Distances, perturbed images and classes, on the model's device.

    Raises:
        StrategyError: Logits or gradients are not finite, or an argument is out of range.
    """
    settings = DeepFoolSettings(norm, overshoot, max_iterations, minimum_step, candidates)
    device, dtype = device_and_type(model)
    if chunk is None and len(images):
        with borrowed(model), torch.inference_mode(mode=False):
            chunk = fitting_batch(model, to_float(images[:1].to(device), dtype))
    return push(model, images, settings, Chunks(chunk or 1), bound=bound)


def push(
    model: nn.Module,
    images: Tensor,
    settings: DeepFoolSettings,
    chunks: Chunks,
    *,
    first: FirstStep | None = None,
    bound: float = torch.inf,
    pruning: Pruning | None = None,
) -> DeepFoolResult:
    """Run DeepFool, with what a search knows already.

    Args:
        model: As for `deepfool`.
        images: uint8 or float (B, C, S, S).
        settings: How to run.
        chunks: How many images at a time.
        first: The first step of these images, if it was looked for before.
        bound: As for `deepfool`.
        pruning: Leaves classes out where that changes nothing; None looks at all.
    """
    device, dtype = device_and_type(model)

    def some(part: slice) -> DeepFoolResult:
        pixels = to_float(images[part].to(device), dtype).clone()
        start = first[part] if first else first_step(model, pixels, settings.norm, settings.candidates, pruning)
        return _Attack(model, pixels, settings, start, bound, pruning).run()

    small = device.type == "cpu" and has_small_convolutions(model)
    with borrowed(model), torch.inference_mode(mode=False), torch.enable_grad(), on_one_thread(switch=small):
        parts = chunks.run(some, len(images))
    return DeepFoolResult(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(DeepFoolResult)))


class _Attack:
    """DeepFool on one chunk; images leave the active set when they flip, pass the bound, or cannot move."""

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        settings: DeepFoolSettings,
        first: FirstStep,
        bound: float,
        pruning: Pruning | None,
    ) -> None:
        self.model, self.images, self.settings = model, images, settings
        self.first, self.bound, self.pruning = first, bound, pruning
        self.stretch = 1 + settings.overshoot
        count, device = len(images), images.device
        self.active = torch.arange(count, device=device)  # (A,)
        self.step = torch.zeros_like(images)  # (B, C, H, W), accumulated, without overshoot
        self.perturbed = images.clone()
        self.adversarial = first.predicted.clone()
        self.distance = torch.full((count,), torch.inf, dtype=torch.float64, device=device)
        self.iterations = torch.zeros(count, dtype=torch.int64, device=device)

    def run(self) -> DeepFoolResult:
        border = self.first.border
        for iteration in range(self.settings.max_iterations):
            self._move(border)
            graph = self._look()
            if graph is None:
                break
            if iteration + 1 < self.settings.max_iterations:
                predicted, others = self.first.predicted[self.active], self.first.others[self.active]
                border = graph.nearest_border(predicted, others, self.settings.norm, self.pruning)
        return DeepFoolResult(self.distance, self.perturbed, self.first.predicted, self.adversarial, self.iterations)

    def _move(self, border: Border) -> None:
        """Take a step with each active image, and give up those past the bound."""
        self.step[self.active] += step_over(border, self.settings.norm, self.settings.minimum_step)
        self.iterations[self.active] += 1
        size = self.stretch * length(self.step[self.active], self.settings.norm)  # (A,)
        self.active = self.active[(size <= self.bound) & border.distance.isfinite()]

    def _look(self) -> Linearized | None:
        """Record which active images are over the border; return the graph of the others."""
        if not len(self.active):
            return None
        graph = Linearized(self.model, self.images[self.active] + self.stretch * self.step[self.active])
        found = graph.logits.argmax(dim=1)  # (A,)
        flipped = found != self.first.predicted[self.active]
        done = self.active[flipped]
        self.perturbed[done] = graph.images.detach()[flipped]
        self.adversarial[done] = found[flipped]
        self.distance[done] = self.stretch * length(self.step[done], self.settings.norm)
        self.active = self.active[~flipped]
        if len(self.active) == len(flipped):
            return graph
        passes = self.first.others.shape[1] if self.pruning is None else 1
        return graph.keep((~flipped).nonzero()[:, 0], passes) if len(self.active) else None
