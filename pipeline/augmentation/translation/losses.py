"""The losses of CycleGAN, Zhu et al., arXiv:1703.10593, with Mao et al.'s least squares (arXiv:1611.04076)."""

from __future__ import annotations

from torch import Tensor


def fool(scores: Tensor) -> Tensor:
    """Return what a generator minimizes: the mean of (D(G(x)) - 1)^2.

    >>> import torch
    >>> float(fool(torch.tensor([0.0, 0.5])))
    0.625
    """
    return (scores - 1).square().mean()


def tell_apart(real: Tensor, made: Tensor) -> Tensor:
    """Return what a discriminator minimizes, halved as in the paper's section 4 so that it learns more slowly.

    Half of the mean of (D(y) - 1)^2 plus the mean of D(G(x))^2: 0.25 for one that guesses, 0 for one that is certain.

    >>> import torch
    >>> guess = torch.tensor([0.5])
    >>> float(tell_apart(guess, guess)), float(tell_apart(torch.ones(1), torch.zeros(1)))
    (0.25, 0.0)
    """
    return ((real - 1).square().mean() + made.square().mean()) / 2


def apart(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean absolute difference, of which the cycle loss and the identity loss are made.

    >>> import torch
    >>> float(apart(torch.tensor([1.0, -1.0]), torch.tensor([1.0, 0.0])))
    0.5
    """
    return (one - other).abs().mean()
