"""One training of a translation: what it depends on, where it stands, and a step of it.

Every random choice of a step is derived from (seed, step), so a training that is taken up from a checkpoint ends with
the same bits as one that never stopped.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Adam

from pipeline.augmentation.gan.diff_augment import diff_augment
from pipeline.augmentation.translation.collapse import Watch
from pipeline.augmentation.translation.history import History
from pipeline.augmentation.translation.losses import apart, fool, tell_apart
from pipeline.augmentation.translation.networks import PatchDiscriminator, Translator
from pipeline.augmentation.translation.recipe import TranslationRecipe
from pipeline.data.transforms import augment
from pipeline.models.state import seed_global
from pipeline.randomness import derive_seed
from pipeline.training.checkpoint import State, finite_or_raise, read_checkpoint, write_checkpoint
from pipeline.training.labeled import LabeledImages
from pipeline.training.order import Order


class Networks(nn.Module):
    """All that is learned, and what a checkpoint has to hold beside it.

    Args:
        recipe: Gives the sizes.
        shape: Of an image, (C, S, S).
    """

    def __init__(self, recipe: TranslationRecipe, shape: tuple[int, ...]) -> None:
        super().__init__()
        channels, side = shape[0], shape[-1]
        self.to_rare, self.to_common = (Translator(channels, recipe.width, recipe.blocks) for _ in range(2))
        self.rare_judge, self.common_judge = (PatchDiscriminator(channels, recipe.width, side) for _ in range(2))
        self.rare_history, self.common_history = (History(recipe.history, shape) for _ in range(2))
        self.averaged = copy.deepcopy(self.to_rare).requires_grad_(False)

    def generators(self) -> list[nn.Parameter]:
        """Return the parameters of both generators."""
        return [*self.to_rare.parameters(), *self.to_common.parameters()]

    def judges(self) -> list[nn.Parameter]:
        """Return the parameters of both discriminators."""
        return [*self.rare_judge.parameters(), *self.common_judge.parameters()]


@dataclass
class Session:
    """A training: what it depends on, and where it stands."""

    recipe: TranslationRecipe
    common: LabeledImages
    rare: LabeledImages
    seed: int
    device: torch.device
    step: int = 0
    seconds: float = 0.0
    cycle_loss: float = math.nan  # of the steps between the last two looks, as is the next
    discriminator_loss: float = math.nan
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])  # of both losses, and how many steps

    def __post_init__(self) -> None:
        seed_global(derive_seed(self.seed, "translation"))  # the caller keeps the global state apart
        self.networks = Networks(self.recipe, tuple(self.common.images.shape[1:])).to(self.device)
        groups = [{"params": self.networks.generators()}, {"params": self.networks.judges()}]
        self.optimizer = Adam(groups, lr=self.recipe.learning_rate, betas=(0.5, 0.999), fused=True)
        self.orders = {"common": Order(self.seed, "common", len(self.common))}
        self.orders["rare"] = Order(self.seed, "rare", len(self.rare))
        self.watch = Watch(self.common.images, self.rare.images, self.recipe.patience, self.seed)
        self.look_every = max(10, self.recipe.steps // 20)
        self.began = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether there is no step left, or no sense in one."""
        return self.step >= self.recipe.steps or self.watch.reason is not None

    def advance(self) -> bool:
        """Do one step; returns whether it ended with a look at the translations."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "step", self.step))
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(self.step)
        common, rare = self._batch("common", generator), self._batch("rare", generator)
        made_rare, made_common, cycle = self._teach_generators(common, rare, generator)
        shown = self.networks.rare_history.exchange(made_rare, generator)
        of_rare = self._judging(self.networks.rare_judge, rare, shown, generator)
        shown = self.networks.common_history.exchange(made_common, generator)
        of_common = self._judging(self.networks.common_judge, common, shown, generator)
        self._update(of_rare + of_common, self.networks.judges())
        self._average()
        self.step += 1
        self.sums = [self.sums[0] + cycle, self.sums[1] + float(of_rare.detach()), self.sums[2] + 1]
        return self._look()

    def _batch(self, name: str, generator: torch.Generator) -> Tensor:
        """Return this step's real images of a class, float (B, C, S, S) in [-1, 1]."""
        count = self.recipe.batch_size
        chosen = self.orders[name].take(self.step * count, (self.step + 1) * count)
        images = (self.common if name == "common" else self.rare).images
        pixels = augment(images[chosen.to(images.device)].to(self.device), generator, self.recipe.augmentation)
        return pixels * 2 - 1

    def _teach_generators(
        self, common: Tensor, rare: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, float]:
        """Update both generators; returns both translations (B, C, S, S), without graphs, and the cycle loss."""
        networks, recipe = self.networks, self.recipe
        made_rare, same_rare = networks.to_rare(torch.cat([common, rare])).chunk(2)
        made_common, same_common = networks.to_common(torch.cat([rare, common])).chunk(2)
        cycle = apart(networks.to_common(made_rare), common) + apart(networks.to_rare(made_common), rare)
        same = apart(same_rare, rare) + apart(same_common, common)
        fooling = fool(networks.rare_judge(self._seen(made_rare, generator)))
        fooling = fooling + fool(networks.common_judge(self._seen(made_common, generator)))
        self._update(fooling + recipe.cycle * cycle + recipe.identity * same, networks.generators())
        return made_rare.detach(), made_common.detach(), float(cycle.detach()) / 4  # both ways, and from [-1, 1]

    def _judging(self, judge: nn.Module, real: Tensor, made: Tensor, generator: torch.Generator) -> Tensor:
        return tell_apart(judge(self._seen(real, generator)), judge(self._seen(made, generator)))

    def _seen(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return diff_augment(images, self.recipe.changes_for(images.shape[1]), generator)

    def _update(self, loss: Tensor, parameters: Iterable[nn.Parameter]) -> None:
        """Let one side learn: Adam skips parameters without a gradient, so the other side keeps its moments too."""
        finite_or_raise(float(loss.detach()), self.step + 1)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss, inputs=list(parameters))
        self.optimizer.step()

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.recipe.average, (1 + self.step) / (10 + self.step)) if self.recipe.average else 0.0
        for mean, last in zip(self.networks.averaged.parameters(), self.networks.to_rare.parameters(), strict=True):
            mean.lerp_(last, 1 - decay)

    def _look(self) -> bool:
        """Every so often take the means of the losses and look whether all translations became alike."""
        if self.step % self.look_every and self.step != self.recipe.steps:
            return False
        self.cycle_loss, self.discriminator_loss = (total / self.sums[2] for total in self.sums[:2])
        self.sums = [0.0, 0.0, 0.0]
        self.watch.look(self.networks.averaged, self.step, self.recipe.steps)
        return True

    @property
    def key(self) -> str:
        """What makes this training this one; a checkpoint with another key is not taken up."""
        return f"{self.recipe!r} seed={self.seed} {self.common.fingerprint()} {self.rare.fingerprint()}"

    def save(self, path: Path) -> None:
        """Write where the training stands."""
        state: State = {
            "step": self.step, "seconds": self.elapsed(), "cycle_loss": self.cycle_loss, "sums": self.sums,
            "discriminator_loss": self.discriminator_loss, "watch": self.watch.state(),
        }  # fmt: skip
        write_checkpoint(path, key=self.key, model=self.networks, optimizer=self.optimizer, kept={}, state=state)

    def resume(self, path: Path | None) -> None:
        """Take up from a checkpoint of this very training, if there is one."""
        found = read_checkpoint(path, key=self.key, model=self.networks, optimizer=self.optimizer)
        if found is None:
            return
        state, _ = found
        self.step, self.seconds, self.sums = state["step"], state["seconds"], state["sums"]
        self.cycle_loss, self.discriminator_loss = state["cycle_loss"], state["discriminator_loss"]
        self.watch.put(state["watch"])

    def elapsed(self) -> float:
        """Return the seconds spent, over all resumptions."""
        return self.seconds + time.monotonic() - self.began
