"""Attacks of a stated size: FGSM and BIM, which go as far as they may whether or not the prediction changes.

FGSM: Goodfellow, Shlens and Szegedy, arXiv:1412.6572. BIM: Kurakin, Goodfellow and Bengio, arXiv:1607.02533. Both raise
the loss of the model's own prediction, never of a label: a one-step copy made with the label tells the network which
one it was ('label leaking', Kurakin, Goodfellow and Bengio, arXiv:1611.01236).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.attacks.chunks import Chunks, fitting_batch
from pipeline.attacks.signs import direction_of
from pipeline.data.transforms import to_float
from pipeline.errors import StrategyError
from pipeline.models.state import borrowed, device_and_type


def push_by(model: nn.Module, images: Tensor, *, epsilon: float, steps: int = 1, chunk: int | None = None) -> Tensor:
    """Push images up to `epsilon` a pixel, away from the model's prediction; no pixel leaves [0, 1].

    Args:
        model: From images (B, C, S, S) in [0, 1] to logits (B, K); used in eval mode and handed back as it was.
        images: uint8 or float (B, C, S, S).
        epsilon: Most that a pixel changes, in (0, 1].
        steps: 1 is FGSM; more are BIM, each of epsilon / steps, with the direction looked for anew.
        chunk: Images worked on at a time; None lets the image size and the memory that the model needs decide.

    Returns:
        Pushed images (B, C, S, S), of the model's type and on its device. Where the gradient vanishes they are as they
        were.

    Raises:
        StrategyError: Logits are not finite, or an argument is out of range.
    """
    if not 0 < epsilon <= 1 or steps < 1:
        raise StrategyError(f"expected epsilon in (0, 1] and 1 step or more, got {epsilon} and {steps}")
    device, dtype = device_and_type(model)
    with borrowed(model), torch.inference_mode(mode=False), torch.enable_grad():
        if chunk is None and len(images):
            chunk = fitting_batch(model, to_float(images[:1].to(device), dtype))

        def some(part: slice) -> Tensor:
            return _push(model, to_float(images[part].to(device), dtype), epsilon, steps)

        return torch.cat(Chunks(chunk or 1).run(some, len(images)))


def _push(model: nn.Module, pixels: Tensor, epsilon: float, steps: int) -> Tensor:
    if not len(pixels):
        return pixels
    low, high = (pixels - epsilon).clamp_min(0.0), (pixels + epsilon).clamp_max(1.0)
    pushed, predicted = pixels.clone(), None
    for _ in range(steps):
        direction, predicted = direction_of(model, pushed, predicted)
        pushed = torch.minimum(torch.maximum(pushed + epsilon / steps * direction, low), high)
    return pushed
