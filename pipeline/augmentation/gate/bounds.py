"""Every bound of the gate in one place, each with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import DataError


@dataclass(frozen=True, kw_only=True)
class GateBounds:
    """What synthetic images of a class have to reach.

    Bounds called shares are of what real held-out images of the same number reach beside the same real ones, so that
    neither a small class nor a weak classifier moves them; what nobody published is marked as our choice.

    Attributes:
        least_real: Real images of the class below which nothing is generated. FastGAN on 20 images a class widened
            the gap it should close; the border lies between 20 and 50 (Gupta and Brown, arXiv:2603.16134).
        enough_real: Real images from which the usual weight holds; same source.
        low_weight: What one synthetic image counts beside a real one below `enough_real`; our choice.
        normal_weight: The same from `enough_real` on. DiffuLT counts synthetic images less, too (arXiv:2403.05170).
        most_per_real: Synthetic images a real one; our choice.
        least_made: Synthetic images below which no figure means anything; our choice.
        least_held_out: Real images of the class held out, below which no figure means anything; our choice.
        enough_recall: Share of the common classes' recall from which there is nothing to gain; our choice.
        label_agreement: Share of images that an independent classifier gives the class. Where real held-out images
            get less, what these get, but never below `least_agreement`; our choice.
        least_agreement: Below it the classifier knows the class too little to check a label; a majority.
        pair_ratio: Least mean distance of pairs, relative to that of real images (the pixel version is the SSIM of
            pairs of BAGAN, Mariani et al., arXiv:1803.09655, figure 8); our choice.
        precision: Least share of the reference. Noisy copies had .67 of 1.0 with 60 images; our choice.
        recall: Least share of the reference. Five images repeated had .0; our choice.
        density: Least share of the reference; our choice.
        coverage: Least share of the reference. Five images repeated had .05 of .95, noisy copies .06; our choice.
        least_neighbor_ratio: Of the median distance to the nearest training image, synthetic over held-out real.
            Copies of training images have 0; our choice.
        most_neighbor_ratio: The same upward. Noisy copies had 2.4 with 600 images; our choice.
        copy_quantile: Of real nearest distances; an image nearer to a known one than this counts as a copy.
        copied: Most copies that pass, as a share; more when few real distances are known (see `copies_allowed`).
        standard_errors: How many of them the gain in recall has to exceed in the paired test.
        least_seeds: Pairs of trainings in that test.
        neighbors: k of precision, recall, density and coverage (Naeem et al., arXiv:2002.09797, section 4), less
            with fewer than ten images a neighbor.
        draws: Subsets of real and synthetic images that give a figure and its band.
        drawn: Share of the smaller set in each of these subsets.
        most_compared: Images of a set that are compared with each other, for the memory's sake.
    """

    least_real: int = 20
    enough_real: int = 50
    low_weight: float = 0.3
    normal_weight: float = 0.5
    most_per_real: float = 2.0
    least_made: int = 10
    least_held_out: int = 5
    enough_recall: float = 0.95
    label_agreement: float = 0.8
    least_agreement: float = 0.5
    pair_ratio: float = 0.5
    precision: float = 0.75
    recall: float = 0.5
    density: float = 0.5
    coverage: float = 0.5
    least_neighbor_ratio: float = 0.5
    most_neighbor_ratio: float = 2.0
    copy_quantile: float = 0.01
    copied: float = 0.02
    standard_errors: float = 1.0
    least_seeds: int = 3
    neighbors: int = 5
    draws: int = 20
    drawn: float = 0.8
    most_compared: int = 1000

    def weight(self, real: int) -> float:
        """Return what a synthetic image counts beside a real one when a class has `real` real images.

        >>> [GateBounds().weight(real) for real in (19, 20, 49, 50)]
        [0.0, 0.3, 0.3, 0.5]
        """
        if real < self.least_real:
            return 0.0
        return self.low_weight if real < self.enough_real else self.normal_weight

    def most_made(self, real: int) -> int:
        """Return how many synthetic images may be judged, and train, beside `real` real ones of a class.

        >>> GateBounds().most_made(30), GateBounds().most_made(10)
        (60, 0)
        """
        return int(self.most_per_real * real) if real >= self.least_real else 0

    def copies_allowed(self, known: int) -> float:
        """Return the largest share of copies that passes when `known` real distances set the quantile.

        With few of them the quantile lies at the smallest, and a new real image falls below the smallest of m with a
        chance that is at most 1 - 0.05^(1/m) in 95 of 100 cases, about 3 / m (the rule of three).

        >>> round(GateBounds().copies_allowed(20), 2), GateBounds().copies_allowed(1000)
        (0.14, 0.02)
        """
        return float(max(self.copied, 1 - 0.05 ** (1 / known)))

    def check_seeds(self, seeds: int) -> None:
        """Make sure that a paired test has pairs enough.

        Raises:
            DataError: It has not.
        """
        if seeds < self.least_seeds:
            raise DataError(f"expected {self.least_seeds} pairs of trainings or more, got {seeds}; raise the seeds")
