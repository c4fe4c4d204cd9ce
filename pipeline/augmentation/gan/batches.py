"""Which images a step sees: classes in equal parts, labels before pseudo-labels, all drawn from (seed, step) alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.training.labeled import LabeledImages

_ON_DEVICE = 1 << 32  # bytes of images that are kept on a GPU as a whole


class ByClass:
    """Positions of images, a class at a time.

    Args:
        targets: int64 (N,), class positions.
        classes: Number of classes K.
    """

    def __init__(self, targets: Tensor, classes: int) -> None:
        self.order = targets.argsort(stable=True)
        self.counts = targets.bincount(minlength=classes)
        self.starts = self.counts.cumsum(0) - self.counts

    def take(self, targets: Tensor, uniform: Tensor) -> Tensor:
        """Return positions (B,), one of each class asked for, by numbers (B,) in [0, 1)."""
        within = (uniform * self.counts[targets]).long().clamp(max=self.counts[targets] - 1)
        return self.order[self.starts[targets] + within]


class Source:
    """The real images of a training: labeled and trusted ones by class, and the unlabeled pool.

    Args:
        labeled: uint8 images with labels.
        trusted: uint8 images with pseudo-labels, or None.
        pool: uint8 (P, C, S, S), or None.
        classes: Number of classes K.
        trusted_share: Most of a class's draws that pseudo-labels may be.
        device: Where the images are wanted.
    """

    def __init__(
        self,
        labeled: LabeledImages,
        trusted: LabeledImages | None,
        pool: Tensor | None,
        *,
        classes: int,
        trusted_share: float,
        device: torch.device,
    ) -> None:
        self.device, self.pool = device, None if pool is None else _near(pool, device)
        self.labels = ByClass(labeled.targets, classes)
        self.guesses = ByClass(trusted.targets if trusted else torch.empty(0, dtype=torch.int64), classes)
        images = [labeled.images, *([trusted.images] if trusted else [])]
        self.images, self.first_guess = _near(torch.cat(images), device), len(labeled)
        counts, guesses = self.labels.counts, self.guesses.counts
        self.present = (counts + guesses).nonzero()[:, 0]
        share = guesses / (counts + guesses).clamp(min=1)
        self.share = torch.where(counts > 0, share.clamp(max=trusted_share), share)  # (K,)

    def of_classes(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return images (B, C, S, S) in [-1, 1] and classes (B,), on the CPU; each class as often as another."""
        uniform = torch.rand(3, count, generator=generator)
        targets = self.present[(uniform[0] * len(self.present)).long().clamp(max=len(self.present) - 1)]
        guessed = uniform[1] < self.share[targets]
        places = torch.empty(count, dtype=torch.int64)
        places[guessed] = self.first_guess + self.guesses.take(targets[guessed], uniform[2][guessed])
        places[~guessed] = self.labels.take(targets[~guessed], uniform[2][~guessed])
        return self._pixels(self.images, places), targets

    def unlabeled(self, count: int, generator: torch.Generator) -> Tensor | None:
        """Return images (B, C, S, S) in [-1, 1] of the pool; None without one."""
        if self.pool is None:
            return None
        return self._pixels(self.pool, torch.randint(len(self.pool), (count,), generator=generator))

    def free_weights(self, shares: Sequence[float] | None) -> Tensor:
        """Return each class's weight (K,) among generated images in the free term, mean 1 over the classes present.

        Args:
            shares: Share of each class in the pool (K,); None for the labels' shares. Without a pool all weigh 1.
        """
        weights = torch.ones(len(self.labels.counts))
        if self.pool is not None:
            wanted = self.labels.counts.float() if shares is None else torch.tensor(list(shares))
            of_present = wanted[self.present].float()
            weights[self.present] = of_present / of_present.mean().clamp(min=1e-12)
        return weights

    def _pixels(self, images: Tensor, places: Tensor) -> Tensor:
        return to_signed(images[places.to(images.device)].to(self.device, non_blocking=True))


def to_signed(images: Tensor) -> Tensor:
    """Return uint8 images as floats in [-1, 1].

    >>> to_signed(torch.tensor([0, 255], dtype=torch.uint8)).tolist()
    [-1.0, 1.0]
    """
    return images.float() / 127.5 - 1


def to_bytes(images: Tensor) -> Tensor:
    """Return float images in [-1, 1] as uint8, on the CPU.

    >>> to_bytes(torch.tensor([-1.0, 1.0])).tolist()
    [0, 255]
    """
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu()


def _near(images: Tensor, device: torch.device) -> Tensor:
    fits = images.element_size() * images.numel() <= _ON_DEVICE
    return images.to(device) if device.type == "cuda" and fits else images
