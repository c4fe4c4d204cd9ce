"""How a translation is trained, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.augmentation.gan.recipe import Change
from pipeline.data.transforms import Augmentation
from pipeline.errors import TrainingError


@dataclass(frozen=True, kw_only=True)
class TranslationRecipe:
    """CycleGAN (Zhu et al., arXiv:1703.10593) at the size of the images here: smaller networks, more images a step.

    Attributes:
        width: Channels of the first layer of generators and discriminators; the inner ones have four times as many.
        blocks: Residual blocks of a generator (the paper has 6 at 128 pixels).
        steps: Updates of the generators, each followed by one of the discriminators.
        batch_size: Images of each class a step.
        learning_rate: Of Adam with betas 0.5 and 0.999; constant for the first half, then linear to zero.
        cycle: Weight of the cycle loss, lambda in the paper's equation 3.
        identity: Weight of the identity loss; the paper's 5.2 takes half of `cycle`.
        history: Translations that each discriminator is also shown from earlier steps; 0 shows the newest alone.
        augmentation: Changes of the real images that keep their label; see `pipeline.data.transforms`.
        changes: DiffAugment (arXiv:2006.10738) of what discriminators see, real and translated alike: 'auto' is
            translation, and color and cutout where there is color; or the changes by name, an empty tuple for none.
        average: Decay of the averaged weights, which translate in the end, in [0, 1); 0 takes the last ones.
        patience: Looks in a row at which the translations are as good as all alike, until training ends.
    """

    width: int = 24
    blocks: int = 3
    steps: int = 1200
    batch_size: int = 8
    learning_rate: float = 4e-4
    cycle: float = 10.0
    identity: float = 5.0
    history: int = 50
    augmentation: Augmentation = "auto"
    changes: Literal["auto"] | tuple[Change, ...] = "auto"
    average: float = 0.99
    patience: int = 3

    def __post_init__(self) -> None:
        for name in ("width", "blocks", "steps", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise TrainingError(f"expected {name} of 1 or more, got {getattr(self, name)}")
        if self.learning_rate <= 0 or min(self.cycle, self.identity, self.history) < 0:
            raise TrainingError(
                "expected a learning rate above 0 and cycle, identity and history of 0 or more, "
                f"got {self.learning_rate}, {self.cycle}, {self.identity} and {self.history}"
            )
        if not 0 <= self.average < 1:
            raise TrainingError(f"expected average in [0, 1), got {self.average}")

    def changes_for(self, channels: int) -> tuple[Change, ...]:
        """Return the changes of DiffAugment for images of 1 or 3 channels.

        >>> TranslationRecipe().changes_for(1)
        ('translation',)
        """
        if self.changes != "auto":
            return self.changes
        return ("translation",) if channels == 1 else ("color", "translation", "cutout")

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0.

        >>> recipe = TranslationRecipe(steps=100, learning_rate=1.0)
        >>> recipe.rate(0), recipe.rate(50), recipe.rate(75)
        (1.0, 1.0, 0.5)
        """
        return self.learning_rate * min(1.0, 2 * (1 - step / self.steps))


@dataclass(frozen=True, kw_only=True)
class TranslationReport:
    """What a training came to; no figure here says whether the images are any good, that is the gate's part.

    Attributes:
        source: Class position of the common class.
        target: Class position of the rare class.
        common: Images of the common class.
        rare: Images of the rare class.
        steps: Steps done.
        planned: Steps of the recipe.
        seconds: Wall time, over all resumptions.
        cycle_loss: Mean absolute difference after there and back, in [0, 1], over the last steps, both ways.
        discriminator_loss: Of the rare class's discriminator over the last steps; 0.25 is guessing, 0 is certainty.
        spread: Mean distance between two translations over that between two real rare images; near 0 all are alike.
        change: Mean absolute difference between an image and its translation, in [0, 1]; near 0 nothing is done.
        collapsed: Whether training ended early because all translations became alike.
        reason: One sentence for people when `collapsed`, else None.
        device: Where it ran, such as 'cpu' or 'cuda:0'.
    """

    source: int
    target: int
    common: int
    rare: int
    steps: int
    planned: int
    seconds: float
    cycle_loss: float
    discriminator_loss: float
    spread: float
    change: float
    collapsed: bool
    reason: str | None
    device: str
