"""A step of a training that several processes share: each has some rows of every batch, all have the same weights.

The batch is the recipe's, whatever the number of processes: order, augmentation, mixing and dropout are drawn for
all of it from (seed, step), as one process draws them, and each process computes its rows alone. A row of the loss
weighs what it does in one process, so that the processes' losses and gradients just add up, however uneven their parts
are. What differs from one process is the order in which floats are added up; nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from pipeline.augmentation.adversarial import has_batch_statistics, own_batch_statistics
from pipeline.data.transforms import draw_changes, kind_of, matrices, to_float, warp
from pipeline.errors import TrainingError
from pipeline.models.state import device_and_type
from pipeline.randomness import derive_seed
from pipeline.training.checkpoint import checkpoint_bytes
from pipeline.training.labeled import LabeledImages
from pipeline.training.losses import class_loss
from pipeline.training.mixing import draw_mixed
from pipeline.training.process_group import ProcessGroup
from pipeline.training.run import Run
from pipeline.training.validation import Validated, validate
from pipeline.training.whole_batch import Rows


@dataclass
class DistributedRun(Run):
    """One process's side of a training that several share.

    Attributes:
        group: The processes.
        rows: Tells the network's layers which rows of the whole batch pass.
    """

    group: ProcessGroup = field(kw_only=True)
    rows: Rows = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_parts(self)
        mixture = self.mixture
        pseudo = mixture.labeled + self.group.part(mixture.pseudo)
        self.mine = torch.cat([self.group.part(mixture.labeled), pseudo])  # of labeled and pseudo-labeled rows
        self.my_copies = self.group.part(mixture.copies)

    @cached_property
    def weights(self) -> Tensor:
        """What each labeled and pseudo-labeled row of a whole batch adds to the loss, float64 (L + P,)."""
        mixture = self.mixture
        real = 1 - mixture.copies_weight - mixture.pseudo_weight
        parts = [(mixture.labeled, real), (mixture.pseudo, mixture.pseudo_weight)]
        return torch.cat([torch.full((rows,), weight / max(1, rows), dtype=torch.float64) for rows, weight in parts])

    def _loss(self) -> Tensor:
        """Return this process's share of the loss of the whole batch."""
        index = self._draw("labeled", self.mixture.labeled)
        guessed = self._draw("pseudo", self.mixture.pseudo) if self.pseudo is not None else index[:0]
        targets, weights = self._targets_and_weights(index, guessed)  # (L + P,)
        images, partners, share = self._images(index, guessed)
        images = images.to(device_and_type(self.model)[1])
        copies = (
            None if self.copies is None else self.copies.take(self._draw("copies", self.mixture.copies)[self.my_copies])
        )
        with torch.autocast(self.device.type, dtype=self.half or torch.bfloat16, enabled=self.half is not None):
            logits, of_copies = self._logits(images, copies)
            loss = share * self._sum(logits, targets[self.mine], weights[self.mine])
            if share < 1:
                loss = loss + (1 - share) * self._sum(logits, targets[partners], weights[partners])
            if copies is None:
                return loss
            weight = self.mixture.copies_weight / self.mixture.copies
            return loss + weight * self._sum(of_copies, copies.targets)

    def _targets_and_weights(self, index: Tensor, guessed: Tensor) -> tuple[Tensor, Tensor]:
        """Return what each row of the whole batch is and counts."""
        targets, weights = self.balanced.images.targets[index], self.weights
        if self.balanced.factors is not None:
            factors = torch.cat([self.balanced.factors[index], torch.ones(len(guessed), dtype=torch.float64)])
            weights = weights * factors
        return targets if self.pseudo is None else torch.cat([targets, self.pseudo.targets[guessed]]), weights

    def _images(self, index: Tensor, guessed: Tensor) -> tuple[Tensor, Tensor, float]:
        """Return this process's images (M, C, S, S), the rows that they are mixed with, and their own share."""
        blocks = (self.mixture.labeled, self.mixture.pseudo)
        if self.recipe.mixing == "none":
            return self._changed(index, guessed, self.mine), self.mine, 1.0
        mixed = draw_mixed(self.recipe.mixing, blocks, self.images.shape[-1], seed=self.seed, step=self.step)
        partners = mixed.partner[self.mine]
        images = self._changed(index, guessed, self.mine)
        keep = mixed.keep.to(images)
        return keep * images + (1 - keep) * self._changed(index, guessed, partners), partners, mixed.share

    def _changed(self, index: Tensor, guessed: Tensor, rows: Tensor) -> Tensor:
        """Return rows (M,) of the whole batch, changed as one process would change them; (M, C, S, S)."""
        labeled, real = self.mixture.labeled, rows[rows < self.mixture.labeled]
        images = to_float(self.images[index[real].to(self.images.device)].to(self.device))
        if self.pseudo is not None:
            others = self.pseudo.images[guessed[rows[rows >= labeled] - labeled]]
            images = torch.cat([images, to_float(others.to(self.device))])
        side, kind = images.shape[-1], kind_of(self.recipe.augmentation, channels=images.shape[1])
        if kind != "none":
            generator = torch.Generator().manual_seed(derive_seed(self.seed, "augment", self.step))
            blocks = [count for count in (labeled, self.mixture.pseudo) if count]
            drawn = torch.cat([draw_changes(count, side, generator, kind) for count in blocks], dim=1)
            images = warp(images, matrices(drawn[:, rows], side, kind), kind)
        return images

    def _logits(self, images: Tensor, copies: LabeledImages | None) -> tuple[Tensor, Tensor]:
        """Return the logits of this process's rows and of its copies, which pass as in `logits_of_both`."""
        plain, copied = len(self.weights), self.mixture.copies
        pushed = images[:0] if copies is None else to_float(copies.images.to(self.device), images.dtype)
        if copies is None or has_batch_statistics(self.model):
            of_copies = images.new_empty(0)
            if copies is not None:
                with own_batch_statistics(self.model), self.rows.passing(self.my_copies, copied):
                    of_copies = self.model(pushed)
            with self.rows.passing(self.mine, plain):
                return self.model(images), of_copies
        with self.rows.passing(torch.cat([self.mine, plain + self.my_copies]), plain + copied):
            both = self.model(torch.cat([images, pushed]))
        return both[: len(images)], both[len(images) :]

    def _sum(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        smoothing, offsets = self.recipe.label_smoothing, self.balanced.offsets
        return class_loss(logits, targets, offsets=offsets, factors=weights, smoothing=smoothing, reduction="sum")

    def _of_all(self, loss: Tensor) -> Tensor:
        """Add up the gradients and the loss of all processes."""
        loss = loss.clone()
        gradients = [one.grad for one in self.model.parameters() if one.grad is not None]
        self.group.add_up([*gradients, loss])
        return loss

    def _validated(self, images: LabeledImages) -> Validated:
        """Return what the first process finds: all go by the same figures."""
        figures = torch.zeros(3, dtype=torch.float64)
        if self.group.leads:
            found = validate(self.model, images, self.device)
            figures = torch.tensor([found.loss, found.accuracy, found.balanced_accuracy], dtype=torch.float64)
        loss, accuracy, balanced_accuracy = self.group.from_first(figures.to(self.device)).tolist()
        return Validated(loss=loss, accuracy=accuracy, balanced_accuracy=balanced_accuracy)

    @property
    def where(self) -> str:
        """Where it runs, in words."""
        return f"{self.group.size} x {self.device.type}"

    def save(self, path: Path) -> None:
        """Write where the run stands; the first process does, for all stand in the same place."""
        if self.group.leads:
            super().save(path)

    def resume(self, path: Path | None) -> None:
        """Take up from a checkpoint, if there is one, and begin with the first process's weights in any case."""
        super().resume(path)
        for value in self.model.state_dict().values():
            self.group.from_first(value)

    def _stored(self, path: Path | None) -> bytes | None:
        """Return the checkpoint that the first process sees: others may look at an older state of a shared folder."""
        return self.group.bytes_from_first(checkpoint_bytes(path) if self.group.leads else None)


def check_parts(run: DistributedRun) -> None:
    """Make sure that the processes can share a run.

    Raises:
        TrainingError: The recipe makes adversarial images, or a batch has too few rows for so many processes.
    """
    if run.adversary is not None:
        raise TrainingError("expected a recipe without adversarial training for several devices, got one; use 1 device")
    least = min(run.mixture.labeled, run.mixture.copies or run.mixture.labeled)
    if run.group.size > least:
        raise TrainingError(
            f"expected at most {least} processes for batches of {run.recipe.batch_size} images, got {run.group.size}; "
            "use fewer devices or a larger batch_size"
        )
