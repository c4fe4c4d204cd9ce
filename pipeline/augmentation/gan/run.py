"""One training of a generator: what it depends on, where it stands, and a step of it.

Every random choice of a step is derived from (seed, step), so a run that is taken up from a checkpoint ends with the
same bits as one that never stopped (on a CPU, with as many threads).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Adam

from pipeline.augmentation.gan.batches import Source, to_bytes
from pipeline.augmentation.gan.collapse import Look, pair_distance, real_distances, why_collapsed
from pipeline.augmentation.gan.discriminators import build_discriminator
from pipeline.augmentation.gan.networks import Generator, Shape, draw_noise, refresh_statistics
from pipeline.augmentation.gan.objectives import Batch, Objective
from pipeline.augmentation.gan.penalties import clip_weights
from pipeline.augmentation.gan.recipe import GanRecipe
from pipeline.augmentation.gan.terms import next_balance
from pipeline.models.state import seed_global
from pipeline.randomness import derive_seed
from pipeline.training.checkpoint import State, finite_or_raise, read_checkpoint, write_checkpoint
from pipeline.training.labeled import LabeledImages

_BETAS = (0.0, 0.99)
_PER_CLASS = 16  # samples of a class at a look


class Run:
    """One training: what it depends on, and where it stands.

    Args:
        recipe: The choices.
        labeled: uint8 images with labels.
        trusted: uint8 images with pseudo-labels, or None.
        pool: uint8 (P, C, S, S), or None.
        classes: Number of classes K.
        shares: Share of each class in the pool (K,), or None for the labels' shares.
        seed: Of the weights and of each step's draws.
        device: Where to train.
    """

    def __init__(
        self,
        recipe: GanRecipe,
        labeled: LabeledImages,
        trusted: LabeledImages | None,
        pool: Tensor | None,
        *,
        classes: int,
        shares: Sequence[float] | None,
        seed: int,
        device: torch.device,
    ) -> None:
        self.recipe, self.seed, self.device = recipe, seed, device
        self.source = Source(labeled, trusted, pool, classes=classes, trusted_share=recipe.trusted_share, device=device)
        self.weights = self.source.free_weights(shares).to(device)
        self.key = _key(recipe, seed, classes, shares, labeled, trusted, pool)
        self.variety = real_distances(labeled, trusted, classes)
        shape = Shape(classes=classes, channels=labeled.images.shape[1], side=labeled.images.shape[-1])
        seed_global(derive_seed(seed, "weights"))
        self.generator = Generator(shape, recipe).to(device)
        self.discriminator = build_discriminator(shape, recipe).to(device)
        self.average = deepcopy(self.generator).requires_grad_(False)
        self.networks = nn.ModuleDict(
            {"generator": self.generator, "discriminator": self.discriminator, "average": self.average}
        )
        self.objective = Objective(self.discriminator, recipe, shape.channels)
        groups = [
            {"params": list(self.generator.parameters()), "lr": recipe.generator_rate},
            {"params": list(self.discriminator.parameters()), "lr": recipe.discriminator_rate},
        ]
        self.optimizer = Adam(groups, betas=_BETAS, fused=True)  # steps only those networks that have gradients
        self.step, self.balance, self.seconds = 0, 0.0, 0.0
        self.sums = torch.zeros(2, device=device)  # adversarial losses since the last look: discriminator, generator
        self.looks: list[Look] = []
        self.reason: str | None = None
        self.began = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether all steps are done, or training has collapsed."""
        return self.step >= self.recipe.steps or self.reason is not None

    @property
    def due(self) -> bool:
        """Whether it is time for a look."""
        return self.step % self.recipe.look_every == 0 or self.step == self.recipe.steps

    def advance(self) -> None:
        """Do one generator step, after its discriminator steps."""
        draws = torch.Generator().manual_seed(derive_seed(self.seed, "gan", self.step))
        for _ in range(self.recipe.critic_steps):
            self._train_discriminator(draws)
        self._train_generator(draws)
        self.step += 1
        self._average()

    def _batch(self, draws: torch.Generator, *, with_gradients: bool) -> Batch:
        recipe, count = self.recipe, self.recipe.batch_size
        condition = recipe.condition_at(self.step)
        labeled, labels = self.source.of_classes(count, draws)
        unlabeled = None if with_gradients else self.source.unlabeled(count, draws)
        noise = draw_noise(count, recipe.latent, coded=recipe.terms.code, generator=draws).to(self.device)
        present = self.source.present
        targets = present[torch.randint(len(present), (count,), generator=draws)].to(self.device)
        with torch.set_grad_enabled(with_gradients):
            made = self.generator(noise, targets, condition)
        return Batch(
            labeled=labeled, labels=labels.to(self.device), unlabeled=unlabeled, made=made, targets=targets,
            weights=self.weights[targets], codes=noise, condition=condition,
        )  # fmt: skip

    def _train_discriminator(self, draws: torch.Generator) -> None:
        batch = self._batch(draws, with_gradients=False)
        cost = self.objective.discriminator(batch, self.balance, draws)
        self._update(cost.total)
        if self.recipe.terms.clipped:
            clip_weights(self.discriminator, self.recipe.clip)
        if self.recipe.loss == "began":
            real, fake = float(cost.real.detach()), float(cost.fake.detach())
            self.balance = next_balance(self.balance, real, fake, diversity=self.recipe.diversity)
        self.sums[0] += cost.adversarial.detach() / self.recipe.critic_steps

    def _train_generator(self, draws: torch.Generator) -> None:
        self.discriminator.requires_grad_(False)
        cost = self.objective.generator(self._batch(draws, with_gradients=True), draws)
        self.discriminator.requires_grad_(True)
        self._update(cost.total)
        self.sums[1] += cost.adversarial.detach()

    def _update(self, cost: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(cost)
        self.optimizer.step()

    def _average(self) -> None:
        decay = min(self.recipe.averaging, (1 + self.step) / (10 + self.step))  # a start that is soon forgotten
        with torch.no_grad():
            for ours, theirs in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                ours.lerp_(theirs, 1 - decay)

    def look(self) -> Tensor:
        """Look for collapse and for losses that are no numbers; return samples, uint8 (K, N, C, S, S).

        Raises:
            TrainingError: A loss is not finite.
        """
        steps = self.step - (self.looks[-1].step if self.looks else 0)
        losses = [finite_or_raise(float(total) / max(steps, 1), self.step) for total in self.sums]
        self.sums.zero_()
        samples = self.samples()
        variety = tuple(
            None if real is None else round(pair_distance(made) / max(real, 1e-6), 4)
            for real, made in zip(self.variety, samples, strict=True)
        )
        self.looks.append(Look(step=self.step, discriminator_loss=losses[0], generator_loss=losses[1], variety=variety))
        recipe = self.recipe
        judged = [
            look for look in self.looks if recipe.condition_at(look.step) == 1.0 and look.step >= recipe.steps / 4
        ]
        self.reason = why_collapsed(
            judged, share=recipe.collapse_share, times=recipe.collapse_looks, floor=recipe.terms.floor
        )
        return samples

    def samples(self) -> Tensor:
        """Return images of each class by the averaged generator, the same noise each time: uint8 (K, N, C, S, S)."""
        condition, coded = self.recipe.condition_at(self.step), self.recipe.terms.code
        self.settle(condition)
        classes = self.generator.shape.classes
        draws = torch.Generator().manual_seed(derive_seed(self.seed, "sheet"))
        noise = draw_noise(classes * _PER_CLASS, self.recipe.latent, coded=coded, generator=draws)
        targets = torch.arange(classes).repeat_interleave(_PER_CLASS).to(self.device)
        with torch.inference_mode():
            images = to_bytes(self.average(noise.to(self.device), targets, condition))
        return images.view(classes, _PER_CLASS, *images.shape[1:])

    def settle(self, condition: float) -> None:
        """Give the averaged generator its own statistics; it is in eval mode then."""
        seed, coded = derive_seed(self.seed, "statistics"), self.recipe.terms.code
        refresh_statistics(self.average, self.source.present, coded=coded, condition=condition, seed=seed)

    def save(self, path: Path) -> None:
        """Write where the run stands.

        Raises:
            TrainingError: A loss since the last look is not finite: what led there is not worth taking up again.
        """
        for total in self.sums:
            finite_or_raise(float(total), self.step)
        state: State = {
            "step": self.step, "balance": self.balance, "seconds": self.spent, "reason": self.reason,
            "looks": [asdict(look) for look in self.looks],
        }  # fmt: skip
        kept = {"sums": self.sums}
        write_checkpoint(path, key=self.key, model=self.networks, optimizer=self.optimizer, kept=kept, state=state)

    def resume(self, path: Path | None) -> None:
        """Take up from a checkpoint of this very run, if there is one."""
        found = read_checkpoint(path, key=self.key, model=self.networks, optimizer=self.optimizer)
        if found is None:
            return
        state, kept = found
        self.step, self.balance, self.seconds = state["step"], state["balance"], state["seconds"]
        self.reason, self.sums = state["reason"], kept["sums"].to(self.device)
        self.looks = [Look(**{**look, "variety": tuple(look["variety"])}) for look in state["looks"]]

    @property
    def spent(self) -> float:
        """Seconds over all resumptions."""
        return self.seconds + time.monotonic() - self.began


def _key(recipe: GanRecipe, seed: int, classes: int, shares: Sequence[float] | None, *images: object) -> str:
    """Return what makes this run this run; a checkpoint with another key is not taken up."""
    parts = [f"{recipe!r} seed={seed} classes={classes} shares={None if shares is None else list(shares)}"]
    for some in images:
        if isinstance(some, LabeledImages):
            parts.append(some.fingerprint())
        elif isinstance(some, Tensor):
            spread = some[:: max(1, len(some) // 1024)].contiguous()
            parts.append(hashlib.sha256(spread.numpy().tobytes() + repr(tuple(some.shape)).encode()).hexdigest()[:16])
        else:
            parts.append("-")
    return " ".join(parts)
