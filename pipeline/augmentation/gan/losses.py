"""The adversarial losses by name, all minimised, as terms of one image; a class term comes beside them.

A discriminator's *score* is a logit (real above 0) or, for `ebgan` and `began`, an energy: the error with which an
autoencoder gives the image back (real near 0). The formulas follow the papers; where a well-known lecture table differs
(signs, WGAN-GP's inner loss, missing logarithms), the papers win.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from torch import Tensor
from torch.nn import functional

from pipeline.errors import TrainingError

LossName = Literal[
    "minimax", "non_saturating", "lsgan", "wgan", "wgan_gp", "dragan", "hinge", "cgan", "infogan", "acgan", "ebgan",
    "began",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Knobs:
    """Numbers that some losses read.

    Attributes:
        smoothing: What a real image counts as, 1 for no one-sided label smoothing (Salimans et al., arXiv:1606.03498).
        margin: Energy above which EBGAN leaves generated images alone.
        balance: BEGAN's k of this step, in [0, 1].
    """

    smoothing: float = 1.0
    margin: float = 1.0
    balance: float = 0.0


@dataclass(frozen=True, kw_only=True)
class GanLoss:
    """One loss: what each image's score costs, and what the networks must be like.

    Attributes:
        real: The discriminator's cost of real images, by scores (B,) -> (B,).
        fake: The discriminator's cost of generated images.
        generator: The generator's cost of its images.
        source: Where the formula is from.
        penalty: 'interpolated' (WGAN-GP) or 'around_real' (DRAGAN), None for no gradient penalty.
        clipped: Whether the discriminator's weights are clipped after each step (WGAN).
        energy: Whether scores are energies of an autoencoder.
        code: Whether a head Q gives the generator's code back (InfoGAN).
        smooths: Whether one-sided label smoothing is defined for it.
        spectral_norm: Whether it goes with spectral normalization, unless a recipe says otherwise.
        floor: Whether the discriminator's cost has the floor 0, so that staying there means it has won.
        steps: Discriminator steps a generator step, unless a recipe says otherwise.
        conditioning: How classes come in, unless a recipe says otherwise.
    """

    real: Callable[[Tensor, Knobs], Tensor]
    fake: Callable[[Tensor, Knobs], Tensor]
    generator: Callable[[Tensor], Tensor]
    source: str
    penalty: Literal["interpolated", "around_real"] | None = None
    clipped: bool = False
    energy: bool = False
    code: bool = False
    smooths: bool = False
    spectral_norm: bool = True
    floor: bool = True
    steps: int = 2
    conditioning: Literal["projection", "auxiliary", "concatenation", "code"] = "projection"


def _log_real(scores: Tensor, knobs: Knobs) -> Tensor:
    """-s log D(x) - (1 - s) log(1 - D(x)), D the sigmoid of the score."""
    return knobs.smoothing * functional.softplus(-scores) + (1 - knobs.smoothing) * functional.softplus(scores)


def _log_fake(scores: Tensor, _: Knobs) -> Tensor:
    """-log(1 - D(G(z)))."""
    return functional.softplus(scores)


def _non_saturating(scores: Tensor) -> Tensor:
    """-log D(G(z))."""
    return functional.softplus(-scores)


def _minimax(scores: Tensor) -> Tensor:
    """log(1 - D(G(z)))."""
    return -functional.softplus(scores)


def _negative(scores: Tensor) -> Tensor:
    return -scores


def _same(scores: Tensor) -> Tensor:
    return scores


def _logistic(
    source: str,
    *,
    generator: Callable[[Tensor], Tensor] = _non_saturating,
    penalty: Literal["around_real"] | None = None,
    code: bool = False,
    spectral_norm: bool = True,
    steps: int = 2,
    conditioning: Literal["projection", "auxiliary", "concatenation", "code"] = "projection",
) -> GanLoss:
    """Return one of the many losses on log D."""
    return GanLoss(
        real=_log_real, fake=_log_fake, generator=generator, source=source, penalty=penalty, code=code, smooths=True,
        spectral_norm=spectral_norm, steps=steps, conditioning=conditioning,
    )  # fmt: skip


LOSSES: dict[str, GanLoss] = {
    "minimax": _logistic("Goodfellow et al., arXiv:1406.2661, eq. 1", generator=_minimax),
    "non_saturating": _logistic("Goodfellow et al., arXiv:1406.2661, section 3"),
    "lsgan": GanLoss(
        real=lambda scores, knobs: (scores - knobs.smoothing) ** 2 / 2,
        fake=lambda scores, _: scores**2 / 2,
        generator=lambda scores: (scores - 1) ** 2 / 2,
        source="Mao et al., arXiv:1611.04076, eq. 9",
        smooths=True,
    ),
    "wgan": GanLoss(
        real=lambda scores, _: -scores,
        fake=lambda scores, _: scores,
        generator=_negative,
        source="Arjovsky et al., arXiv:1701.07875, algorithm 1",
        clipped=True,
        spectral_norm=False,
        floor=False,
        steps=5,
    ),
    "wgan_gp": GanLoss(
        real=lambda scores, _: -scores,
        fake=lambda scores, _: scores,
        generator=_negative,
        source="Gulrajani et al., arXiv:1704.00028, eq. 3",
        penalty="interpolated",
        spectral_norm=False,
        floor=False,
        steps=5,
    ),
    "dragan": _logistic(
        "Kodali et al., arXiv:1705.07215, section 2.3", penalty="around_real", spectral_norm=False, steps=1
    ),
    "hinge": GanLoss(
        real=lambda scores, _: functional.relu(1 - scores),
        fake=lambda scores, _: functional.relu(1 + scores),
        generator=_negative,
        source="Lim and Ye, arXiv:1705.02894; Miyato et al., arXiv:1802.05957, eq. 17",
    ),
    "cgan": _logistic("Mirza and Osindero, arXiv:1411.1784, eq. 2", conditioning="concatenation"),
    "infogan": _logistic("Chen et al., arXiv:1606.03657, eq. 6", code=True, conditioning="code"),
    "acgan": _logistic("Odena et al., arXiv:1610.09585, eqs. 2 and 3", conditioning="auxiliary"),
    "ebgan": GanLoss(
        real=lambda scores, _: scores,
        fake=lambda scores, knobs: functional.relu(knobs.margin - scores),
        generator=_same,
        source="Zhao et al., arXiv:1609.03126, eqs. 1 and 2",
        energy=True,
        spectral_norm=False,
        floor=False,
        steps=1,
        conditioning="auxiliary",
    ),
    "began": GanLoss(
        real=lambda scores, _: scores,
        fake=lambda scores, knobs: -knobs.balance * scores,
        generator=_same,
        source="Berthelot et al., arXiv:1703.10717, section 3.3",
        energy=True,
        spectral_norm=False,
        floor=False,
        steps=1,
        conditioning="auxiliary",
    ),
}


def gan_loss(name: str) -> GanLoss:
    """Return a loss by its name.

    Raises:
        TrainingError: There is none of this name.
    """
    if name not in LOSSES:
        close = get_close_matches(name, LOSSES, n=1)
        hint = f"did you mean {close[0]}?" if close else f"choose one of: {', '.join(LOSSES)}"
        raise TrainingError(f"expected a known GAN loss, got {name!r}; {hint}")
    return LOSSES[name]
