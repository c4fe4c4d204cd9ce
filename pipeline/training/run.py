"""One supervised training: what it depends on, where it stands, and a step of it.

Every random choice of a step (which images, how they are changed, which units drop out) is derived from (seed, step),
so a run that is taken up from a checkpoint ends with the same bits as one that never stopped.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.augmentation.adversarial import logits_of_both
from pipeline.augmentation.adversarial_training import UnlabeledImages
from pipeline.data.transforms import augment, to_float
from pipeline.models.state import device_and_type, seed_global
from pipeline.randomness import derive_seed
from pipeline.training.balance import balanced
from pipeline.training.checkpoint import State, checkpoint_bytes, finite_or_raise, snapshot, take_up, write_checkpoint
from pipeline.training.hostile import Adversary, adversary_of
from pipeline.training.labeled import LabeledImages, TrainingReport
from pipeline.training.losses import class_loss
from pipeline.training.mixing import Rows, draw_mixed
from pipeline.training.mixture import mix
from pipeline.training.order import BalancedOrder, Order
from pipeline.training.placing import half_precision, near, optimizer_of
from pipeline.training.recipes import SupervisedRecipe
from pipeline.training.schedule import Schedule
from pipeline.training.validation import Validated, validate


@dataclass
class Run:
    """One training: what it depends on, and where it stands."""

    model: nn.Module
    labeled: LabeledImages
    recipe: SupervisedRecipe
    seed: int
    device: torch.device
    copies: LabeledImages | None
    pseudo: LabeledImages | None
    validation: LabeledImages | None
    synthetic: LabeledImages | None = None
    unlabeled: UnlabeledImages | None = None
    step: int = 0
    seconds: float = 0.0
    loss: float = float("nan")  # of the last full window
    accuracy: float | None = None  # of the weights kept
    score: float | None = None  # by which they were chosen: balanced accuracy where rare classes get their due
    kept: dict[str, Tensor] = field(default_factory=dict)
    window_loss: float = 0.0
    window_steps: int = 0

    def __post_init__(self) -> None:
        recipe, count = self.recipe, len(self.labeled)
        self.mixture = mix(recipe, count, *(len(extra) if extra else 0 for extra in (self.copies, self.pseudo)))
        self.copies = self.copies if self.mixture.copies else None
        self.pseudo = self.pseudo if self.mixture.pseudo else None
        self.validation = self.validation or None
        self.schedule = Schedule(recipe, recipe.steps(count))
        self.balanced = balanced(self.model, recipe, self.labeled, self.synthetic)
        self.window = max(recipe.window, -(-len(self.balanced.images) // self.mixture.labeled))
        self.optimizer = optimizer_of(self.model, recipe)
        self.images = near(self.balanced.images.images, self.device)
        extra = {"copies": self.copies, "pseudo": self.pseudo}
        self.orders: dict[str, Order | BalancedOrder] = {"labeled": self.balanced.order(self.seed)}
        self.orders |= {name: Order(self.seed, name, len(images)) for name, images in extra.items() if images}
        self.adversary = adversary_of(recipe, self.mixture.labeled, self.seed, self.unlabeled)
        self.half = half_precision(recipe, self.device)
        self.scaler = torch.amp.GradScaler("cuda", enabled=self.half == torch.float16)
        self.began = time.monotonic()

    def advance(self) -> None:
        """Do one step."""
        rate = self.schedule.rate(self.step) * getattr(self.model, "learning_rate_share", 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        seed_global(derive_seed(self.seed, "dropout", self.step))
        loss = self._loss()
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(self.scaler.scale(loss))
        loss = self._of_all(loss.detach())
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.step += 1
        self.window_loss += finite_or_raise(float(loss), self.step)
        self.window_steps += 1
        if self.window_steps == self.window or self.step == self.schedule.last:
            self._look_back()

    def _of_all(self, loss: Tensor) -> Tensor:
        """Return the loss of the whole batch: this one, where no other process has some of it."""
        return loss

    def _loss(self) -> Tensor:
        """Return the loss of this step: the weighted mean over labeled images, copies and pseudo-labeled images."""
        mixture, dtype = self.mixture, device_and_type(self.model)[1]
        images, rows = self._batch()
        if self.adversary is not None:
            return self._adversarial_loss(images.to(dtype), rows, self.adversary)
        with torch.autocast(self.device.type, dtype=self.half or torch.bfloat16, enabled=self.half is not None):
            if self.copies is None:
                return self._of_images(self.model(images.to(dtype)), rows)
            which = self._draw("copies", mixture.copies)
            copied = to_float(self.copies.images[which].to(self.device), dtype)
            logits, of_copies = logits_of_both(self.model, images.to(dtype), copied)
            of_images = self._of_images(logits, rows)
            return of_images + mixture.copies_weight * self._class_loss(of_copies, self.copies.targets[which])

    def _adversarial_loss(self, images: Tensor, rows: Rows, adversary: Adversary) -> Tensor:
        """Return the loss of a step of which some images are pushed; copies pass with them."""
        hostile, apart = adversary.attack(self.model, images, self.step), images[:0]
        targets = rows.targets[:0]
        if self.copies is not None:
            which = self._draw("copies", self.mixture.copies)
            apart, targets = (
                to_float(self.copies.images[which].to(images.device), images.dtype),
                self.copies.targets[which],
            )
        with torch.autocast(self.device.type, dtype=self.half or torch.bfloat16, enabled=self.half is not None):
            of_real, of_others = logits_of_both(self.model, hostile.real, torch.cat([hostile.pushed, apart]))
            of_pushed, of_copies = of_others[: len(hostile.pushed)], of_others[len(hostile.pushed) :]
            loss = self._of_images(hostile.together(of_real, of_pushed), hostile.rows(rows))
            loss = loss + hostile.besides(of_real, of_pushed)
            return loss + self.mixture.copies_weight * self._class_loss(of_copies, targets) if len(targets) else loss

    def _batch(self) -> tuple[Tensor, Rows]:
        """Return this step's labeled and, after them, pseudo-labeled images (B, C, S, S), and what they count as.

        Synthetic images are among the labeled ones.
        """
        mixture, recipe, drawn = self.mixture, self.recipe, self.balanced
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "augment", self.step))
        index = self._draw("labeled", mixture.labeled)
        images, targets = self.images[index.to(self.images.device)], drawn.images.targets[index]
        images = augment(images.to(self.device), generator, recipe.augmentation)
        if self.pseudo is not None:
            which = self._draw("pseudo", mixture.pseudo)
            guessed = augment(self.pseudo.images[which].to(self.device), generator, recipe.augmentation)
            images, targets = torch.cat([images, guessed]), torch.cat([targets, self.pseudo.targets[which]])
        factors = None if drawn.factors is None else drawn.factors[index]
        if recipe.mixing == "none":
            return images, Rows(targets, factors)
        blocks = (mixture.labeled, mixture.pseudo)
        mixed = draw_mixed(recipe.mixing, blocks, images.shape[-1], seed=self.seed, step=self.step)
        return mixed.images(images), Rows(targets, factors, mixed)

    def _of_images(self, logits: Tensor, rows: Rows) -> Tensor:
        """Return the part of the loss that labeled and pseudo-labeled images have."""
        if rows.mixed is not None:
            return rows.mixed.loss(lambda others: self._of_images(logits, rows.classes_of(others)))
        mixture, targets = self.mixture, rows.targets
        weight = 1 - mixture.copies_weight - mixture.pseudo_weight
        real = mixture.labeled
        of_labels = weight * self._class_loss(logits[:real], targets[:real], rows.factors)
        if self.pseudo is None:
            return of_labels
        return of_labels + mixture.pseudo_weight * self._class_loss(logits[real:], targets[real:])

    def _class_loss(self, logits: Tensor, targets: Tensor, factors: Tensor | None = None) -> Tensor:
        smoothing, offsets = self.recipe.label_smoothing, self.balanced.offsets
        return class_loss(logits, targets, offsets=offsets, factors=factors, smoothing=smoothing)

    def _draw(self, name: str, wanted: int) -> Tensor:
        """Return the positions (wanted,) of this step."""
        return self.orders[name].take(self.step * wanted, (self.step + 1) * wanted)

    def _look_back(self) -> None:
        self.loss = self.window_loss / self.window_steps
        self.window_loss, self.window_steps = 0.0, 0
        if self.validation is None:
            self.schedule.observe(self.step, self.loss)
            return
        found = self._validated(self.validation)
        self.schedule.observe(self.step, found.loss)
        score = found.accuracy if self.balanced.kind == "none" else found.balanced_accuracy
        if self.score is None or score >= self.score:
            self.score, self.accuracy, self.kept = score, found.accuracy, snapshot(self.model)

    def _validated(self, images: LabeledImages) -> Validated:
        return validate(self.model, images, self.device)

    def finish(self) -> TrainingReport:
        """Put the weights best in validation in place, where there is one, and report."""
        if self.kept:
            self.model.load_state_dict(self.kept)
        return TrainingReport(
            epochs=round(self.step * self.mixture.labeled / len(self.balanced.images), 2),
            steps=self.step,
            seconds=round(self.seconds + time.monotonic() - self.began, 3),
            train_loss=self.loss,
            validation_accuracy=self.accuracy,
            device=self.where,
        )

    @property
    def where(self) -> str:
        """Where it runs, in words."""
        return str(self.device)

    @property
    def key(self) -> str:
        """What makes this run this run; a checkpoint with another key is not taken up."""
        given = (self.labeled, self.copies, self.pseudo, self.validation)
        sets = [images.fingerprint() if images else "-" for images in given]
        sets += [f"synthetic={self.synthetic.fingerprint()}"] if self.synthetic else []
        sets += [f"unlabeled={self.unlabeled.fingerprint()}"] if self.unlabeled else []
        return f"{self.recipe!r} seed={self.seed} {getattr(self.model, 'architecture', '')} {' '.join(sets)}"

    def save(self, path: Path) -> None:
        """Write where the run stands."""
        schedule = self.schedule
        state: State = {
            "step": self.step, "seconds": self.seconds + time.monotonic() - self.began, "loss": self.loss,
            "accuracy": self.accuracy, "score": self.score, "window_loss": self.window_loss,
            "window_steps": self.window_steps,
            "schedule": [schedule.last, schedule.cooling_from, schedule.best, schedule.stale],
            "scaler": self.scaler.state_dict(),
        }  # fmt: skip
        write_checkpoint(path, key=self.key, model=self.model, optimizer=self.optimizer, kept=self.kept, state=state)

    def resume(self, path: Path | None) -> None:
        """Take up from a checkpoint of this very run, if there is one."""
        data = self._stored(path)
        if data is None:
            return
        found = take_up(data, path, key=self.key, model=self.model, optimizer=self.optimizer)
        if found is None:
            return
        state, kept = found
        self.kept = {name: value.to(self.device) for name, value in kept.items()}
        self.step, self.seconds, self.loss = state["step"], state["seconds"], state["loss"]
        self.accuracy, self.window_loss = state["accuracy"], state["window_loss"]
        self.window_steps, self.score = state["window_steps"], state.get("score", state["accuracy"])
        schedule = self.schedule
        schedule.last, schedule.cooling_from, schedule.best, schedule.stale = state["schedule"]
        self.scaler.load_state_dict(state["scaler"])

    def _stored(self, path: Path | None) -> bytes | None:
        return checkpoint_bytes(path)
