"""Terms that stand beside the adversarial ones: of classes, codes and features, and BEGAN's balance."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def class_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return ACGAN's class term, -mean log P(c | x), which both networks minimise (arXiv:1610.09585, eq. 3).

    Args:
        logits: (B, K).
        targets: int64 (B,).

    >>> round(float(class_loss(Tensor([[0, 0, 0, 0]]), Tensor([2]).long())), 4)  # log 4
    1.3863
    """
    return functional.cross_entropy(logits, targets)


def code_loss(mean: Tensor, log_variance: Tensor, codes: Tensor) -> Tensor:
    """Return the negative log-likelihood of continuous codes, -mean log Q(c | x), up to a constant.

    Minimising it in generator and Q maximises InfoGAN's bound on the mutual information (arXiv:1606.03657, eq. 4).

    Args:
        mean: Q's means (B, M).
        log_variance: Q's logarithms of the variances (B, M).
        codes: What the generator was given (B, M).

    >>> float(code_loss(Tensor([[1.0]]), Tensor([[0.0]]), Tensor([[3.0]])))
    2.0
    """
    return ((codes - mean) ** 2 / log_variance.exp() + log_variance).mean() / 2


def next_balance(balance: float, real: float, fake: float, *, diversity: float, rate: float = 1e-3) -> float:
    """Return BEGAN's k of the next step, k + rate (diversity L(x) - L(G(z))), kept in [0, 1] (section 3.3).

    Args:
        balance: k of this step.
        real: Mean energy of real images.
        fake: Mean energy of generated images.
        diversity: gamma, the wished ratio of the two; lower means cleaner and less varied images.
        rate: lambda_k.

    >>> round(next_balance(0.5, 2.0, 0.5, diversity=0.5, rate=0.1), 3)
    0.55
    """
    return min(max(balance + rate * (diversity * real - fake), 0.0), 1.0)


def feature_distance(real: Tensor, fake: Tensor) -> Tensor:
    """Return feature matching's ||mean f(x) - mean f(G(z))||^2 (Salimans et al., arXiv:1606.03498, section 3.1).

    >>> float(feature_distance(Tensor([[1.0, 0.0], [3.0, 0.0]]), Tensor([[0.0, 1.0]])))
    5.0
    """
    return ((real.mean(dim=0) - fake.mean(dim=0)) ** 2).sum()
