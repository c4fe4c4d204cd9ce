"""What a batch and the loss are made of: labeled images, adversarial copies and pseudo-labeled images.

A pseudo-labeled image is one that the last model was sure of; it trains with that model's class (CEAL, Wang et al.
2017, arXiv:1701.03551). It is an image like any other, so it passes through the network together with the labeled ones;
it only weighs less, for its class may be wrong. Labeled images keep at least half of each batch and of the loss.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.augmentation.adversarial import copies_in_batch, copies_weight
from pipeline.errors import TrainingError
from pipeline.training.labeled import LabeledImages
from pipeline.training.recipes import SupervisedRecipe

_MOST = 0.5  # of the loss and of a batch, for all that is not labeled by people


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Shares of the loss, and images in a batch.

    Attributes:
        copies_weight: Share of the loss that adversarial copies get.
        pseudo_weight: Share of the loss that pseudo-labeled images get.
        labeled: Labeled images in a batch.
        copies: Adversarial copies in a batch.
        pseudo: Pseudo-labeled images in a batch.
    """

    copies_weight: float
    pseudo_weight: float
    labeled: int
    copies: int
    pseudo: int


def mix(recipe: SupervisedRecipe, labeled: int, copies: int, pseudo: int) -> Mixture:
    """Return the mixture for numbers of labeled images, adversarial copies and pseudo-labeled images.

    Copies and pseudo-labeled images each get their share of the images, measured against the labeled ones alone and
    capped by the recipe; when the two come to more than half, both shrink in proportion.

    Raises:
        TrainingError: There are copies and pseudo-labeled images, and a batch has no room for one of each in its half.

    >>> mix(SupervisedRecipe(batch_size=32), 30, 10, 10_000)
    Mixture(copies_weight=0.16666666666666666, pseudo_weight=0.3333333333333333, labeled=16, copies=8, pseudo=8)
    >>> mix(SupervisedRecipe(batch_size=32), 30, 0, 10)
    Mixture(copies_weight=0.0, pseudo_weight=0.25, labeled=24, copies=0, pseudo=8)
    """
    of_copies = copies_weight(labeled, copies, recipe.copies_share)
    of_pseudo = min(pseudo / (labeled + pseudo), recipe.pseudo_share)
    shrink = min(1.0, _MOST / (of_copies + of_pseudo)) if of_copies and of_pseudo else 1.0
    of_copies, of_pseudo, size = of_copies * shrink, of_pseudo * shrink, recipe.batch_size
    if of_copies and of_pseudo and size < 4:
        raise TrainingError(f"expected batches of 4 or more for copies and pseudo-labels, got {size}; raise batch_size")
    copied = min(copies_in_batch(size, of_copies), size // 2 - (of_pseudo > 0))
    guessed = min(max(round(size * of_pseudo), 1), size // 2 - copied) if of_pseudo else 0
    return Mixture(
        copies_weight=of_copies,
        pseudo_weight=of_pseudo,
        labeled=size - copied - guessed,
        copies=copied,
        pseudo=guessed,
    )


def check_pseudo(pseudo: LabeledImages, labeled: LabeledImages, validation: LabeledImages | None) -> None:
    """Make sure that no pseudo-label stands beside a label, and that none leaks into validation.

    Raises:
        TrainingError: A pseudo-labeled image has a label, or is validated on.
    """
    guessed = set(pseudo.ids.tolist())
    if both := guessed & set(labeled.ids.tolist()):
        raise TrainingError(
            f"expected pseudo-labels of images without a label, got one of sample {min(both)}, which has one; "
            "drop what was labeled since"
        )
    if validation is not None and not guessed.isdisjoint(validation.ids.tolist()):
        raise TrainingError(
            "expected no pseudo-label of a validation image, got one; validation must stay apart from training"
        )
