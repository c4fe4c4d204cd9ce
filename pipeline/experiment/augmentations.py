"""What an arm does about rare classes beside choosing images, read from names such as 'balanced+gan'; no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline import catalog
from pipeline.errors import ExperimentError

NONE = "none"
Balance = Literal["none", "sampling", "logit_adjustment", "balanced_softmax"]
Maker = Literal["", "gan", "translation"]

_LOSSES: dict[str, Balance] = {"logit_adjustment": "logit_adjustment", "balanced_softmax": "balanced_softmax"}


@dataclass(frozen=True, kw_only=True)
class Augment:
    """What is done for rare classes in an arm's training.

    Attributes:
        balance: For `SupervisedRecipe.balance`; 'none' leaves the recipe as it is.
        decoupled: Class-balanced sampling beside another correction retrains the last layer alone, afterwards: both
            at once would correct twice (Kang et al., arXiv:1910.09217; Ren et al., arXiv:2007.10740).
        copies: Adversarial copies of what was asked train along.
        maker: What makes images of rare classes; empty for nothing.
        pool: The generator also learns from images without a label.
    """

    balance: Balance = "none"
    decoupled: bool = False
    copies: bool = False
    maker: Maker = ""
    pool: bool = False


def parse_augment(name: str) -> Augment:
    """Return what a name of parts joined by '+' stands for.

    Args:
        name: 'none', or parts of `pipeline.catalog.AUGMENTATIONS`: 'balanced+copies', 'logit_adjustment+gan+pool'.

    Raises:
        ExperimentError: A part is unknown, comes twice, or does not go with another.

    >>> parse_augment("balanced+gan+pool")
    Augment(balance='sampling', decoupled=False, copies=False, maker='gan', pool=True)
    >>> parse_augment("balanced+logit_adjustment").decoupled
    True
    """
    if name == NONE:
        return Augment()
    parts = name.split("+")
    known = [part for part in catalog.AUGMENTATIONS if part != NONE]
    if len(set(parts)) != len(parts) or not set(parts) <= set(known):
        raise ExperimentError(f"expected 'none' or some of {', '.join(known)} joined by '+', each once, got {name!r}")
    losses = [part for part in parts if part in _LOSSES]
    if len(losses) > 1:
        raise ExperimentError(f"expected one of {' and '.join(losses)}, got both in {name!r}; drop one")
    sampling = "balanced" in parts
    return Augment(
        balance=_LOSSES[losses[0]] if losses else "sampling" if sampling else "none",
        decoupled=bool(losses) and sampling,
        copies="copies" in parts,
        maker=_maker(name, parts),
        pool="pool" in parts,
    )


def _maker(name: str, parts: list[str]) -> Maker:
    if "gan" in parts and "translation" in parts:
        raise ExperimentError(f"expected one maker of images, gan or translation, got both in {name!r}; drop one")
    if "pool" in parts and "gan" not in parts:
        raise ExperimentError(f"expected pool beside gan, which learns from it, got {name!r}; do: gan+pool")
    return "gan" if "gan" in parts else "translation" if "translation" in parts else ""
