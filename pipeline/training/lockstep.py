"""Where several trainings in lockstep stand, and a step of all of them at once.

What a step needs from the host (which images, how they are changed, learning rates) is prepared some steps at a time
and sent in one go; images lie on the device; losses are added up there and looked at once a window. So on a GPU the
step loop waits for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.data.transforms import kind_of, matrices, to_float, warp
from pipeline.models.state import device_and_type
from pipeline.training.graphs import Replayed
from pipeline.training.learner import Learner, Parts
from pipeline.training.recipes import SupervisedRecipe
from pipeline.training.stacked import DropoutMasks, StackedAdam, StackedNetworks, bias_corrections

_AHEAD = 16  # steps that the host prepares at a time


@dataclass(frozen=True)
class Plan:
    """What the steps from `start` on need, T of them, on the device.

    Attributes:
        start: The first step.
        index: Which images, int64 (T, S, B).
        factors: Learning rate and the two bias corrections of Adam, (T, 3, S).
        theta: How images are changed, float32 (T, S, B, 2, 3); None without augmentation.
        mixed: How they are mixed: partners int64 (T, S, B), what pixels keep float32 (T, S, H, W), and shares (T, S);
            empty without mixing.
    """

    start: int
    index: Tensor
    factors: Tensor
    theta: Tensor | None
    mixed: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.index)


class Lockstep:
    """Trainings that take each step together.

    Args:
        lessons: Network, labeled images, seed, copies and pseudo-labeled images of each.
        recipe: The same for all.
        device: Where to train; the images must fit there.
        graphs: Record a step as a CUDA graph and replay it.
    """

    def __init__(
        self, lessons: Sequence[Parts], recipe: SupervisedRecipe, device: torch.device, *, graphs: bool
    ) -> None:
        self.recipe, self.device, self.graphs, self.step = recipe, device, graphs, 0
        self.learners = [Learner(parts, recipe) for parts in lessons]
        self.active = list(self.learners)  # rows of the stacks; some may have stopped
        self.networks = StackedNetworks([learner.model for learner in self.learners], device)
        self.optimizer = StackedAdam(self.networks.parameters, recipe)
        first = self.learners[0]
        channels, _, self.side = first.labeled.images.shape[1:]
        self.kind = kind_of(recipe.augmentation, channels=channels)
        self.dropout = DropoutMasks(first.model, (recipe.batch_size, channels, self.side, self.side), device)
        self.dtype = device_and_type(first.model)[1]
        self.half = _half(recipe, device)
        self.plan: Plan
        self._load()

    @property
    def running(self) -> list[Learner]:
        """The networks that have steps left."""
        return [learner for learner in self.active if self.step < learner.schedule.last]

    @property
    def last(self) -> int:
        """The most steps that any network has, as decided so far."""
        return max(learner.schedule.last for learner in self.learners)

    def advance(self) -> None:
        """Take a step, and look at the losses where a window ends."""
        if self.step >= self.plan.start + len(self.plan):
            self.plan = self._prepare()
        plan, place = self.plan, self.step - self.plan.start
        masks = self.dropout.draw([learner.seed for learner in self.active], self.step)
        theta = [] if plan.theta is None else [plan.theta[place]]
        mixed = [values[place] for values in plan.mixed]
        self._program([plan.index[place], plan.factors[place], *theta, *mixed, *masks])
        running = self.running
        self.step += 1
        if any(self.step >= learner.looks_back_at() for learner in running):
            self._look_back(running)

    def _load(self) -> None:
        """Put the images of the active networks on the device, one after the other."""
        sets = [images for learner in self.active for images in learner.images()]
        plain = all(images.dtype == torch.uint8 for images in sets)
        self.images = torch.cat([images if plain else to_float(images) for images in sets]).to(self.device)
        self.targets = torch.cat([learner.targets for learner in self.active]).to(self.device)
        counts = torch.tensor([0, *(len(learner.targets) for learner in self.active)])
        self.offsets = counts.cumsum(0).tolist()[:-1]
        weights = torch.stack([learner.row_weights() for learner in self.active])
        self.weights = weights.to(self.device, self.dtype)  # (S, B)
        self.counts_as, self.log_shares = self._image_factors(), self._log_shares()
        rows = torch.arange(self.recipe.batch_size)
        firsts = torch.tensor([[self.recipe.batch_size - learner.mixture.copies] for learner in self.active])
        self.are_copies = (rows >= firsts).to(self.device)[..., None, None, None]  # (S, B, 1, 1, 1)
        self.totals = torch.zeros(len(self.active), dtype=torch.float64, device=self.device)
        self._program = Replayed(self._run) if self.graphs and self.device.type == "cuda" else self._run
        self.plan = self._prepare()

    def _image_factors(self) -> Tensor | None:
        """Return what each image counts in its network's loss, (N,); None where all count 1."""
        factors = [learner.factors() for learner in self.active]
        if all(given is None for given in factors):
            return None
        pairs = zip(self.active, factors, strict=True)
        ones = [torch.ones(len(one.targets)) if given is None else given for one, given in pairs]
        return torch.cat(ones).to(self.device, self.dtype)

    def _log_shares(self) -> Tensor | None:
        """Return what each network's logits get in the loss, (S, 1, K); None where none gets any."""
        given = [learner.balanced.offsets for learner in self.active]
        known = next((offsets for offsets in given if offsets is not None), None)
        if known is None:
            return None
        shares = torch.stack([torch.zeros_like(known) if offsets is None else offsets for offsets in given])
        return shares[:, None].to(self.device, self.dtype)

    def _prepare(self) -> Plan:
        """Return the plan of the next steps, up to the next look at a loss, for it may change the rates."""
        start = self.step
        stop = min(start + _AHEAD, *(learner.looks_back_at() for learner in self.running or self.active))
        steps = range(start, max(stop, start + 1))
        pairs = zip(self.active, self.offsets, strict=True)
        index = torch.stack([learner.index(start, steps.stop) + offset for learner, offset in pairs], dim=1)
        rates = [[learner.rate(step) for learner in self.active] for step in steps]
        corrections = torch.tensor([bias_corrections(step) for step in steps], dtype=torch.float64)  # (T, 2)
        each = corrections[..., None].expand(-1, -1, len(self.active))
        factors = torch.cat([torch.tensor(rates, dtype=torch.float64)[:, None], each], dim=1)
        return Plan(
            start, self._send(index), self._send(factors.to(self.dtype)), self._theta(steps), self._mixed(steps)
        )

    def _theta(self, steps: range) -> Tensor | None:
        if self.kind == "none":
            return None
        drawn = [learner.changes(step, self.side, self.kind) for step in steps for learner in self.active]
        theta = matrices(torch.cat(drawn, dim=1), self.side, self.kind)  # (T * S * B, 2, 3)
        return self._send(theta.view(len(steps), len(self.active), -1, 2, 3))

    def _mixed(self, steps: range) -> tuple[Tensor, ...]:
        if self.recipe.mixing == "none":
            return ()
        drawn = [learner.mixed(step, self.side) for step in steps for learner in self.active]
        shape = (len(steps), len(self.active))
        shares = torch.tensor([one.share for one in drawn], dtype=self.dtype)
        stacks = (torch.stack([one.partner for one in drawn]), torch.stack([one.keep for one in drawn]), shares)
        return tuple(self._send(values.view(*shape, *values.shape[1:])) for values in stacks)

    def _send(self, values: Tensor) -> Tensor:
        if self.device.type != "cuda":
            return values
        return values.pin_memory().to(self.device, non_blocking=True)

    def _run(self, inputs: list[Tensor]) -> None:
        """Take a step on the device.

        Args:
            inputs: Index, factors, theta where images are changed, three of mixing where they are mixed, and dropout
                masks.
        """
        (index, factors), rest = inputs[:2], inputs[2:]
        changed, rest = (rest[:0], rest) if self.kind == "none" else (rest[:1], rest[1:])
        mixed, masks = (rest[:0], rest) if self.recipe.mixing == "none" else (rest[:3], rest[3:])
        images = to_float(self.images[index.flatten()])  # (S * B, C, H, W)
        if changed:
            warped = warp(images, changed[0].flatten(0, 1), self.kind)
            images = torch.where(self.are_copies.flatten(0, 1), images, warped)
        images = images.view(*index.shape, *images.shape[1:])  # (S, B, C, H, W)
        images = _mixed_images(images, *mixed) if mixed else images
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.half):
            losses = self._losses(self.networks.logits(images.to(self.dtype), masks), index, mixed)
        parameters = self.networks.parameters
        gradients = torch.autograd.grad(losses.sum(), parameters, materialize_grads=True)
        self.optimizer.step(parameters, gradients, factors)
        self.totals.add_(losses.detach())

    def _losses(self, logits: Tensor, index: Tensor, mixed: list[Tensor]) -> Tensor:
        """Return each network's loss (S,) of logits (S, B, K) of the images at index (S, B)."""
        if self.log_shares is not None:
            logits = logits + self.log_shares
        losses = self._of_rows(logits, index)
        if not mixed:
            return losses
        partner, _, share = mixed
        return share * losses + (1 - share) * self._of_rows(logits, index.gather(1, partner))

    def _of_rows(self, logits: Tensor, index: Tensor) -> Tensor:
        """Return the losses (S,) where rows have the classes of the images at index (S, B)."""
        targets = self.targets[index]
        each = functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), label_smoothing=self.recipe.label_smoothing, reduction="none"
        )
        each = each.view_as(targets)
        each = each if self.counts_as is None else each * self.counts_as[index]
        return (each * self.weights).sum(dim=1)

    def _look_back(self, running: list[Learner]) -> None:
        for place, total in enumerate(self.totals.tolist()):
            learner = self.active[place]
            if learner not in running or self.step < learner.looks_back_at():
                continue
            learner.look_back(self.step, total)
            self.totals[place] = 0.0
            if self.step >= learner.schedule.last:
                self.networks.put_back(place, learner.model)
        self._drop_stopped()

    def _drop_stopped(self) -> None:
        """Go on without the networks that stopped: at once on a CPU, on a GPU when half of the batch has."""
        left = [place for place, learner in enumerate(self.active) if self.step < learner.schedule.last]
        pays = len(left) < len(self.active) if self.device.type == "cpu" else len(left) <= len(self.active) // 2
        if not left or not pays:
            return
        kept = self.totals[left]
        self.networks.keep(left)
        self.optimizer.keep(left)
        self.active = [self.active[place] for place in left]
        self._load()
        self.totals.copy_(kept)


def _half(recipe: SupervisedRecipe, device: torch.device) -> bool:
    """Return whether to compute in bfloat16; where a GPU has none, float32 is taken: no loss scale is shared here."""
    if device.type != "cuda" or recipe.precision == "float32":
        return False
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _mixed_images(images: Tensor, partner: Tensor, keep: Tensor, _: Tensor) -> Tensor:
    """Return images (S, B, C, H, W), each mixed with its network's image at partner (S, B) by keep (S, H, W)."""
    others = images[torch.arange(len(images), device=images.device)[:, None], partner]
    kept = keep[:, None, None]  # (S, 1, 1, H, W)
    return kept * images + (1 - kept) * others
