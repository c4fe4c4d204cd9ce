"""What a generator's training is: plain data, whose repr is the record kept with each generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.augmentation.gan.losses import GanLoss, LossName, gan_loss
from pipeline.errors import TrainingError

Conditioning = Literal["auto", "projection", "auxiliary", "concatenation"]
Change = Literal["color", "translation", "cutout"]


@dataclass(frozen=True, kw_only=True)
class GanRecipe:
    """All choices of a generator, by name.

    Attributes:
        loss: A name of `pipeline.augmentation.gan.losses.LOSSES`.
        conditioning: How the discriminator gets the class: 'projection' (arXiv:1802.05637), 'auxiliary' (a class head,
            arXiv:1610.09585), 'concatenation' (arXiv:1411.1784); 'auto' is what the loss goes with, mostly projection.
        width: Channels of the widest maps of the finest layer; they double as maps halve, up to 8 times.
        latent: Length of the noise z.
        batch_size: Images of each kind (labeled, unlabeled, generated) a step.
        steps: Generator steps.
        discriminator_steps: Discriminator steps a generator step; None is what the loss goes with.
        generator_rate: Adam's rate of the generator; half of the other one (TTUR, arXiv:1706.08500).
        discriminator_rate: Adam's rate of the discriminator.
        spectral_norm: Of the discriminator (arXiv:1802.05957); None is what the loss goes with.
        changes: DiffAugment (arXiv:2006.10738): 'auto' is translation and cutout, and color where there is color; or
            the changes by name, an empty tuple for none. Never flips: they would turn a 2 into an S.
        averaging: Decay of the generator's running average, which is what draws.
        smoothing: What a real image counts as, 1 for no label smoothing.
        feature_matching: Weight of feature matching in the generator's loss; 0 is off.
        minibatch_deviation: Whether the discriminator sees how much a batch varies (arXiv:1710.10196, section 3).
        warm_up: Share of the steps that know no classes: a small data set collapses with them (arXiv:2201.06578).
        blending: Share of the steps, after that, in which classes come in little by little.
        class_weight: Of class heads' terms, beside the adversarial ones.
        trusted_share: Most of a class's real images in a batch that pseudo-labels may be, beside labels.
        margin: EBGAN's, in mean squared error of pixels in [-1, 1].
        diversity: BEGAN's gamma.
        penalty_weight: Of gradient penalties.
        clip: WGAN's limit of weights.
        look_every: Steps between two looks for collapse.
        collapse_share: A class whose samples are nearer to each other than this share of its real images' mean distance
            has collapsed.
        collapse_looks: In as many looks in a row, until training stops.
    """

    loss: LossName = "hinge"
    conditioning: Conditioning = "auto"
    width: int = 64
    latent: int = 64
    batch_size: int = 64
    steps: int = 30_000
    discriminator_steps: int | None = None
    generator_rate: float = 2e-4
    discriminator_rate: float = 4e-4
    spectral_norm: bool | None = None
    changes: Literal["auto"] | tuple[Change, ...] = "auto"
    averaging: float = 0.999
    smoothing: float = 1.0
    feature_matching: float = 0.0
    minibatch_deviation: bool = False
    warm_up: float = 0.1
    blending: float = 0.1
    class_weight: float = 1.0
    trusted_share: float = 0.75
    margin: float = 0.5
    diversity: float = 0.5
    penalty_weight: float = 10.0
    clip: float = 0.01
    look_every: int = 500
    collapse_share: float = 0.3
    collapse_looks: int = 3

    def __post_init__(self) -> None:
        loss = gan_loss(self.loss)
        least = {"width": 4, "latent": 4, "batch_size": 2, "steps": 1, "look_every": 1, "collapse_looks": 1}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise TrainingError(f"expected {name} of at least {low}, got {getattr(self, name)}")
        if self.smoothing != 1.0 and not (loss.smooths and 0.5 < self.smoothing < 1):
            raise TrainingError(
                f"expected smoothing in (0.5, 1), with a loss that has it, got {self.smoothing} with {self.loss}; "
                "leave it at 1, or take a loss on log D or lsgan"
            )
        if self.spectral_norm and loss.clipped:
            raise TrainingError("expected weight clipping or spectral normalization, got both; take wgan_gp or hinge")
        self._check_conditioning(loss)
        if not 0 <= self.warm_up + self.blending <= 1:
            raise TrainingError(f"expected warm_up + blending in [0, 1], got {self.warm_up + self.blending}")

    def _check_conditioning(self, loss: GanLoss) -> None:
        fixed = loss.energy or loss.code
        if self.conditioning == "auto" or self.conditioning == loss.conditioning:
            return
        if self.conditioning not in ("projection", "auxiliary", "concatenation"):
            raise TrainingError(
                f"expected conditioning auto, projection, auxiliary or concatenation, got {self.conditioning!r}"
            )
        if fixed:
            raise TrainingError(
                f"expected conditioning 'auto' for {self.loss}, got {self.conditioning!r}; it has its own"
            )
        if self.loss == "acgan":
            raise TrainingError(
                "expected the class head that acgan is named for, got another conditioning; take 'auto'"
            )

    @property
    def terms(self) -> GanLoss:
        """The loss itself."""
        return gan_loss(self.loss)

    @property
    def by(self) -> Literal["projection", "auxiliary", "concatenation", "code"]:
        """How the class comes in, 'auto' resolved."""
        return self.terms.conditioning if self.conditioning == "auto" else self.conditioning

    @property
    def critic_steps(self) -> int:
        """Discriminator steps a generator step."""
        return self.terms.steps if self.discriminator_steps is None else self.discriminator_steps

    @property
    def normalized(self) -> bool:
        """Whether the discriminator has spectral normalization."""
        return self.terms.spectral_norm if self.spectral_norm is None else self.spectral_norm

    def changes_for(self, channels: int) -> tuple[Change, ...]:
        """Return the changes of DiffAugment for images of 1 or 3 channels; no color for gray.

        >>> GanRecipe().changes_for(1)
        ('translation', 'cutout')
        """
        if self.changes == "auto":
            return ("translation", "cutout") if channels == 1 else ("color", "translation", "cutout")
        return tuple(change for change in self.changes if change != "color" or channels > 1)

    def condition_at(self, step: int) -> float:
        """Return how much the class counts at a step, from 0 in the warm-up to 1 after the blending.

        >>> [GanRecipe(steps=100).condition_at(step) for step in (9, 15, 20)]
        [0.0, 0.5, 1.0]
        """
        start, length = self.warm_up * self.steps, self.blending * self.steps
        if length == 0:
            return float(step >= start)
        return min(max((step - start) / length, 0.0), 1.0)


GAN_RECIPES: dict[str, GanRecipe] = {
    "small": GanRecipe(
        width=24,
        latent=32,
        batch_size=32,
        steps=4000,
        generator_rate=5e-4,
        discriminator_rate=1e-3,
        averaging=0.995,
        changes=("translation",),
    ),
    "standard": GanRecipe(),
}
"""'small' is for a CPU, 'standard' for a GPU."""
