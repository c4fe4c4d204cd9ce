"""Cheaper and cruder relatives of DFAL: nearness to the border by one step, or by steps along the gradient's sign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pipeline.attacks.border import Norm, check_logits, nearest_border, rank_others
from pipeline.attacks.deepfool import DeepFoolSettings, attack_batch
from pipeline.attacks.signs import push_by_sign
from pipeline.data.transforms import to_float
from pipeline.errors import StrategyError
from pipeline.models.state import borrowed, device_and_type
from pipeline.strategies.base import QueryContext, Selection, check_request, model_of
from pipeline.strategies.ranking import Best, classes_of

Measure = Callable[[Tensor], Tensor]


def rank_by_gradient(context: QueryContext, k: int, measure: Measure, *, descending: bool) -> Selection:
    """Score every image of the pool by something that needs gradients, and return the k best.

    Args:
        context: The request.
        k: How many.
        measure: From float images (B, C, H, W) on the model's device to scores (B,).
        descending: Whether the largest scores are the best.
    """
    device, dtype = device_and_type(model_of(context))
    size = context.batch_size or attack_batch(context.pool.image_shape, device)
    best = Best(k, descending=descending)
    done = 0
    for ids, images in context.pool.batches(size):
        scores = measure(to_float(images.to(device), dtype))
        unknown = torch.full((len(ids),), -1)  # classes are asked for the chosen alone
        best.add(ids, scores.detach(), unknown, unknown)
        done += len(ids)
        if context.on_progress is not None:
            context.on_progress(done, len(context.pool), "measuring gradients")
    found = best.selection()
    predicted, nearest = classes_of(context, found.ids)
    figures: dict[str, float | int | str] = {} if descending else {"unflipped": int(np.isinf(found.scores).sum())}
    return replace(found, predicted=predicted, nearest=nearest, diagnostics=figures)


@dataclass(frozen=True, kw_only=True)
class DFALOneStep:
    """Nearest to the border if the model were linear: DeepFool's first step, smallest first, in pixels of [0, 1].

    Elsayed et al., "Large margin deep networks for classification", NeurIPS 2018, arXiv:1803.05598, equation 7.

    Attributes:
        norm: 'l2' or 'linf'.
        candidates: How many other classes are looked at; None is all.
    """

    norm: Norm = "l2"
    candidates: int | None = None

    name: ClassVar[str] = "dfal_one_step"
    needs_model: ClassVar[bool] = True
    makes_copies: ClassVar[bool] = False
    mergeable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        DeepFoolSettings(self.norm, candidates=self.candidates)  # refuses at once

    def select(self, context: QueryContext, k: int) -> Selection:
        """Return the k nearest images."""
        check_request(self, context, k)
        model = model_of(context)

        def measure(images: Tensor) -> Tensor:
            with borrowed(model), torch.inference_mode(mode=False), torch.enable_grad():
                x = images.clone().requires_grad_()
                logits = model(x)
                check_logits(logits.detach(), context.classes)
                predicted, others = rank_others(logits.detach(), self.candidates)
                return nearest_border(model, logits, x, predicted, others, self.norm).distance

        return rank_by_gradient(context, k, measure, descending=False)


@dataclass(frozen=True, kw_only=True)
class _BySign:
    """Shortest push along the gradient's sign that changes the prediction, by Euclidean length, smallest first.

    Attributes:
        step: Length of a step a pixel.
        steps: Most steps; an image that has not flipped then is infinitely far.
    """

    step: float = 0.02
    steps: int = 50

    name: ClassVar[str]
    once: ClassVar[bool]
    needs_model: ClassVar[bool] = True
    makes_copies: ClassVar[bool] = False
    mergeable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.step <= 0 or self.steps < 1:
            raise StrategyError(f"expected a step above 0 and 1 or more steps, got {self.step} and {self.steps}")

    def select(self, context: QueryContext, k: int) -> Selection:
        """Return the k images of the shortest push."""
        check_request(self, context, k)
        model = model_of(context)
        check_logits(_first_logits(context), context.classes)

        def measure(images: Tensor) -> Tensor:
            return push_by_sign(model, images, step=self.step, steps=self.steps, once=self.once)[0]

        return rank_by_gradient(context, k, measure, descending=False)


def _first_logits(context: QueryContext) -> Tensor:
    """Return the logits of one image: enough to see whether the model is of this project."""
    model = model_of(context)
    device, dtype = device_and_type(model)
    with borrowed(model), torch.inference_mode():
        return torch.as_tensor(model(to_float(context.pool.take(context.pool.ids[:1]).to(device), dtype)))


@dataclass(frozen=True, kw_only=True)
class FGSM(_BySign):
    """Shortest push along the sign of the first gradient (Goodfellow, Shlens and Szegedy, arXiv:1412.6572).

    Attributes:
        step: Length a pixel at which the line is looked at.
        steps: Most looks.
    """

    name: ClassVar[str] = "fgsm"
    once: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class BIM(_BySign):
    """Shortest push by steps, each along the sign of the gradient there (Kurakin et al., arXiv:1607.02533).

    Attributes:
        step: Length of a step a pixel.
        steps: Most steps.
    """

    name: ClassVar[str] = "bim"
    once: ClassVar[bool] = False
