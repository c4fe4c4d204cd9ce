"""Attacks along the sign of the gradient: how far an image must be pushed until the model changes its mind.

FGSM: Goodfellow, Shlens and Szegedy, arXiv:1412.6572. BIM: Kurakin, Goodfellow and Bengio, arXiv:1607.02533. The
direction raises the loss of the predicted class. The last step is halved again and again until it just crosses the
border; without that all images that need the same number of steps would tie.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.attacks.backward import pixel_gradient
from pipeline.attacks.border import check_logits
from pipeline.models.state import borrowed

_HALVINGS = 12


def push_by_sign(model: nn.Module, images: Tensor, *, step: float, steps: int, once: bool) -> tuple[Tensor, Tensor]:
    """Push images along the gradient's sign until the prediction changes; no clipping.

    Args:
        model: From images to logits; used in eval mode, left as found.
        images: Float (B, C, H, W) in [0, 1].
        step: Length of a step a pixel.
        steps: Most steps.
        once: Whether the first direction is kept (FGSM) or looked for anew after each step (BIM).

    Returns:
        Length of each push: its Euclidean norm, float64 (B,), inf where the prediction did not change; and the class
        behind, int64 (B,), the predicted one where it did not.

    Raises:
        StrategyError: Logits are not finite.
    """
    with borrowed(model), torch.inference_mode(mode=False), torch.enable_grad():
        images = images.detach().clone()
        direction, predicted = direction_of(model, images, None)
        length = images.new_full((len(images),), torch.inf).double()
        behind = predicted.clone()
        push = torch.zeros_like(images)
        active = torch.arange(len(images), device=images.device)  # (A,)
        for turn in range(steps):
            if not len(active):
                break
            if turn and not once:
                direction[active] = direction_of(model, images[active] + push[active], predicted[active])[0]
            before, push[active] = push[active], push[active] + step * direction[active]
            classes = _classes(model, images[active] + push[active])
            crossed = classes != predicted[active]
            done = active[crossed]
            if len(done):
                exact = _halve(model, images[done], before[crossed], push[done], predicted[done])
                length[done] = exact.flatten(1).double().norm(dim=1)
                behind[done] = classes[crossed]
            active = active[~crossed]
    return length, behind


def direction_of(model: nn.Module, images: Tensor, predicted: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the sign (B, C, H, W) of the gradient of a class's cross-entropy by the pixels, and the class (B,).

    Args:
        model: From images to logits, in eval mode.
        images: Float (B, C, H, W).
        predicted: int64 (B,), whose loss is to rise; None takes the model's own prediction.

    Raises:
        StrategyError: Logits are not finite.
    """
    x = images.detach().requires_grad_()
    logits = model(x)
    check_logits(logits.detach())
    target = logits.detach().argmax(dim=1) if predicted is None else predicted
    own = logits.gather(1, target[:, None])  # (B, 1)
    others = logits.scatter(1, target[:, None], -torch.inf)  # (B, K)
    odds = torch.logsumexp(others, dim=1) - own[:, 0]  # grows where the loss does, but its slope never vanishes
    return pixel_gradient(model, odds.sum(), x).sign(), target


@torch.no_grad()
def _classes(model: nn.Module, images: Tensor) -> Tensor:
    return torch.as_tensor(model(images).argmax(dim=1))


def _halve(model: nn.Module, images: Tensor, inside: Tensor, outside: Tensor, predicted: Tensor) -> Tensor:
    """Return pushes just over the border, between one that stays inside and one that crosses."""
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        crossed = (_classes(model, images + middle) != predicted)[:, None, None, None]
        inside, outside = torch.where(crossed, inside, middle), torch.where(crossed, middle, outside)
    return outside
