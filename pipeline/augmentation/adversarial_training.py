"""Adversarial training: images that the network of this very step finds hard, made anew in each step.

`KurakinMix`: some images of a batch are pushed by one step of FGSM, with a size drawn for each, and weigh less than the
others (Kurakin, Goodfellow and Bengio, arXiv:1611.01236). They are pushed away from the network's own prediction or
towards the class it finds least likely, never by the label, which the network would learn to read from the push ('label
leaking', their section 4.3). `Trades`: the network learns to say of an image and of its worst neighbor the same (Zhang
et al., arXiv:1901.08573); that needs no label, so it learns from the unlabeled pool too (Carmon et al.,
arXiv:1905.13736). Both cost accuracy on plain images; unlabeled images give most of it back (Raghunathan et al.,
arXiv:1906.06032). Pushed images pass through BatchNorm with statistics of their own, as adversarial copies do.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.attacks.signs import direction_of
from pipeline.errors import TrainingError
from pipeline.models.state import borrowed

_START = 0.001  # TRADES: standard deviation of the noise that an image is left with


@dataclass(frozen=True, kw_only=True)
class KurakinMix:
    """Part of each batch is adversarial.

    Attributes:
        share: Of the labeled images of a batch, rounded down, in (0, 0.5].
        weight: Lambda, what an adversarial image counts beside a clean one, above 0.
        epsilon: Most that a pixel changes, in (0, 1]. Each image has its own size, from a normal distribution with half
            of epsilon as standard deviation, without its sign and cut: the network must not get used to one size.
        away_from: 'prediction', or 'least_likely' to push towards the least likely class.
    """

    share: float = 0.5
    weight: float = 0.3
    epsilon: float = 16 / 255
    away_from: Literal["prediction", "least_likely"] = "prediction"

    def __post_init__(self) -> None:
        if not 0 < self.share <= 0.5 or not self.weight > 0 or self.away_from not in ("prediction", "least_likely"):
            raise TrainingError(
                "expected a share in (0, 0.5], a weight above 0, and 'prediction' or 'least_likely', "
                f"got {self.share}, {self.weight} and {self.away_from!r}"
            )
        _check_epsilon(self.epsilon)

    def rows(self, labeled: int) -> int:
        """Return how many of the labeled images of a batch are pushed.

        Raises:
            TrainingError: Not even one.
        """
        count = math.floor(self.share * labeled)
        if not count:
            raise TrainingError(f"expected batches with room for adversarial images, got {labeled} labeled in one")
        return count

    def factors(self, labeled: int) -> Tensor:
        """Return what each labeled image of a batch counts, float64 (labeled,); the mean is 1. The first are pushed.

        >>> KurakinMix(share=0.5, weight=0.5).factors(2).tolist()
        [0.6666666666666666, 1.3333333333333333]
        """
        pushed = self.rows(labeled)
        weights = torch.ones(labeled, dtype=torch.float64)
        weights[:pushed] = self.weight
        return weights * labeled / weights.sum()

    def push(self, model: nn.Module, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return adversarial images (k, C, S, S) of float images in [0, 1]; they carry no gradient."""
        with borrowed(model), torch.inference_mode(mode=False), torch.enable_grad():
            target, sign = None, 1.0
            if self.away_from == "least_likely":
                with torch.no_grad():
                    target, sign = model(images).argmin(dim=1), -1.0
            direction = sign * direction_of(model, images, target)[0]
        sizes = draw_sizes(len(images), self.epsilon, generator).to(images)
        return (images + sizes[:, None, None, None] * direction).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class Trades:
    """An image and its worst neighbor are to get the same answer.

    Attributes:
        beta: What the divergence counts beside the cross-entropy, above 0; the authors take 1 to 6.
        epsilon: Most that a pixel changes, in (0, 1].
        steps: Of the search for the worst neighbor (PGD), at least 1.
        step_size: Of one of them, a pixel; None is a quarter of epsilon, as the authors have it for CIFAR-10.
    """

    beta: float = 6.0
    epsilon: float = 8 / 255
    steps: int = 10
    step_size: float | None = None

    def __post_init__(self) -> None:
        if not self.beta > 0 or self.steps < 1 or (self.step_size is not None and not 0 < self.step_size <= 1):
            raise TrainingError(
                "expected beta above 0, 1 step or more and a step size in (0, 1], "
                f"got {self.beta}, {self.steps} and {self.step_size}"
            )
        _check_epsilon(self.epsilon)

    def push(self, model: nn.Module, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return each image's worst neighbor (B, C, S, S): no further than epsilon, in [0, 1]; without gradients."""
        size = self.epsilon / 4 if self.step_size is None else self.step_size
        noise = _START * torch.randn(images.shape, generator=generator)
        with borrowed(model), torch.inference_mode(mode=False), torch.enable_grad():
            with torch.no_grad():
                clean = functional.log_softmax(model(images), dim=1)
            pushed = images + noise.to(images)
            for _ in range(self.steps):
                x = pushed.detach().requires_grad_()
                rise = divergence(clean, model(x), reduction="sum")
                pushed = pushed + size * torch.autograd.grad(rise, x)[0].sign()
                pushed = torch.minimum(torch.maximum(pushed, images - self.epsilon), images + self.epsilon).clamp(0, 1)
        return pushed

    def loss(self, clean: Tensor, pushed: Tensor) -> Tensor:
        """Return beta times the mean divergence of logits (B, K); gradients flow through both."""
        return self.beta * divergence(functional.log_softmax(clean, dim=1), pushed, reduction="batchmean")


AdversarialTraining = KurakinMix | Trades


@dataclass(frozen=True)
class UnlabeledImages:
    """Images of the pool whose class nobody has said.

    Attributes:
        images: uint8 (U, C, S, S).
        ids: int64 (U,), sample ids.
    """

    images: Tensor
    ids: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def fingerprint(self) -> str:
        """Return a hash of which samples these are."""
        return hashlib.sha256(self.ids.cpu().numpy().tobytes()).hexdigest()[:16]


def check_unlabeled(unlabeled: UnlabeledImages, adversarial: AdversarialTraining | None, held_out: Tensor) -> None:
    """Make sure that unlabeled images are learned from, and that none of them is validated on.

    Raises:
        TrainingError: The recipe has no use for them, their ids do not fit, or one is held out (ids int64 (V,)).
    """
    if not isinstance(adversarial, Trades):
        raise TrainingError("expected no unlabeled images for a recipe without TRADES, got some; leave them out")
    if unlabeled.images.ndim != 4 or tuple(unlabeled.ids.shape) != (len(unlabeled.images),):
        raise TrainingError(
            f"expected images (U, C, S, S) with an id each, got {tuple(unlabeled.images.shape)} and "
            f"{tuple(unlabeled.ids.shape)}"
        )
    if bool(torch.isin(unlabeled.ids, held_out).any()):
        raise TrainingError("expected no validation image among the unlabeled, got one; validation must stay apart")


def divergence(clean: Tensor, pushed: Tensor, *, reduction: Literal["sum", "batchmean"]) -> Tensor:
    """Return the Kullback-Leibler divergence of what is said of pushed images from what is said of the clean ones.

    Args:
        clean: Log-probabilities (B, K).
        pushed: Logits (B, K).
        reduction: 'sum' or 'batchmean', the mean over images.
    """
    return functional.kl_div(functional.log_softmax(pushed, dim=1), clean, reduction=reduction, log_target=True)


def draw_sizes(count: int, most: float, generator: torch.Generator) -> Tensor:
    """Return sizes (count,) in [0, most]: |N(0, most / 2)|, cut at `most` (Kurakin et al., section 4.1)."""
    share = torch.rand(count, generator=generator, dtype=torch.float64) * math.erf(math.sqrt(2))
    return (most / math.sqrt(2) * torch.erfinv(share)).clamp(0, most)


def _check_epsilon(epsilon: float) -> None:
    if not 0 < epsilon <= 1:
        raise TrainingError(f"expected epsilon in (0, 1], pixels of [0, 1], got {epsilon}; 16 / 255 is usual")
