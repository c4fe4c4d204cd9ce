"""What holds a discriminator's slope: gradient penalties and weight clipping; never under autocast."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Scores = Callable[[Tensor], Tensor]

_SPREAD = 0.5  # DRAGAN's reach, in standard deviations of the batch


def interpolated_penalty(scores: Scores, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
    """Return WGAN-GP's mean (||grad D(x^)||_2 - 1)^2 at x^ = a x + (1 - a) G(z) (arXiv:1704.00028).

    Args:
        scores: From images (B, C, S, S) to scores (B,); no BatchNorm, which would mix the images' gradients.
        real: (B, C, S, S).
        fake: (B, C, S, S).
        generator: On the CPU.
    """
    share = torch.rand(len(real), 1, 1, 1, generator=generator).to(real)
    return _slope_penalty(scores, share * real + (1 - share) * fake)


def around_real_penalty(scores: Scores, real: Tensor, generator: torch.Generator) -> Tensor:
    """Return DRAGAN's mean (||grad D(x^)||_2 - 1)^2 at x^ = x + noise, noise = 0.5 std(x) U(0, 1) (arXiv:1705.07215).

    Generated images have no part in it.
    """
    noise = torch.rand(real.shape, generator=generator).to(real)
    return _slope_penalty(scores, real + _SPREAD * real.std() * noise)


def _slope_penalty(scores: Scores, images: Tensor) -> Tensor:
    points = images.detach().float().requires_grad_()
    with torch.autocast(images.device.type, enabled=False):
        total = scores(points).float().sum()
        (slopes,) = torch.autograd.grad(total, points, create_graph=True)  # (B, C, S, S)
    norms = torch.linalg.vector_norm(slopes.flatten(1), dim=1)
    return torch.as_tensor(((norms - 1) ** 2).mean())


def clip_weights(network: nn.Module, limit: float) -> None:
    """Clip all parameters to [-limit, limit] in place (WGAN, arXiv:1701.07875)."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.clamp_(-limit, limit)
