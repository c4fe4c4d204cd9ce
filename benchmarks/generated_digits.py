"""Generated digits: MNIST with a few labels and the pool, judged by a classifier that saw all real training images.

Claims with 1,000 labels: the judge gives at least 95 % of the images the class they were drawn for, and they cover at
least 80 % of what as many real images cover.

* guide: convnet on 80 % of the labels; the rest calibrates it, and it names the classes of trusted pool images.
* judge: lenet5 on all 60,000 real training images with their labels; it has no part in the generator's training. Its
  84 units before the bottleneck are the features of coverage.
* coverage: share of real test images with a generated one nearer than their fifth real neighbor (Naeem et al.,
  arXiv:2002.09797); beside it the same with other real test images in place of the generated ones.

`--keep DIR` makes it resumable: the checkpoints lie there, and a finished part is not done again.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.common import arguments, report
from benchmarks.subjects import CLASSES, Digits, device, read_digits
from pipeline.augmentation.gan.maker import GanMaker
from pipeline.augmentation.gan.recipe import GAN_RECIPES, GanRecipe
from pipeline.augmentation.gan.training import GanReport, train_gan
from pipeline.augmentation.gan.trusted import fit_temperature, trusted_by_class
from pipeline.data.transforms import to_float
from pipeline.models.registry import build_model
from pipeline.models.small import LeNet5
from pipeline.training.labeled import LabeledImages
from pipeline.training.recipes import SupervisedRecipe
from pipeline.training.supervised import train

_NEIGHBORS = 5
_CHUNK = 250


class Trial:
    """One generator: its images, how it was trained, and how it is judged."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given, self.notes = given, list[str]()
        self.keep = Path(given.keep) if given.keep else None
        self.real, self.test = read_digits(given.data / "mnist")
        order = np.random.default_rng(given.seed).permutation(len(self.real.images))
        self.labeled = _some(self.real, order[: given.labels])
        self.unlabeled = order[given.labels :][: given.pool]

    def run(self) -> list[dict[str, Any]]:
        """Train all three networks, draw, and return the rows of the table."""
        judge = self.judge()
        maker, told = self.generator()
        made = [maker.make(place, self.given.images // CLASSES, seed=self.given.seed) for place in range(CLASSES)]
        rows = self.rows(judge, torch.cat(made), told)
        if told.reason:
            self.notes.append(f"training ended early: {told.reason}")
        return rows

    def judge(self) -> LeNet5:
        """Return lenet5 trained on all real images."""
        model = build_model("lenet5", classes=CLASSES, channels=1, image_size=28, seed=self.given.seed + 1)
        steps = 300 if self.given.quick else 12_000
        self.fit("judge", model, _some(self.real, np.arange(len(self.real.images))), steps)
        return cast("LeNet5", model)  # its name says so

    def trusted(self) -> LabeledImages:
        """Return pool images with the guide's classes, the surer half of each."""
        model = build_model("convnet", classes=CLASSES, channels=1, image_size=28, seed=self.given.seed)
        held = len(self.labeled) // 5
        learned, held_back = _part(self.labeled, slice(held, None)), _part(self.labeled, slice(held))
        self.fit("guide", model, learned, 150 if self.given.quick else 1500)
        temperature = fit_temperature(outputs(model, held_back.images), held_back.targets)
        pool = torch.from_numpy(self.real.images[self.unlabeled])
        places, targets = trusted_by_class(outputs(model, pool), temperature=temperature)
        truth = torch.from_numpy(self.real.targets[self.unlabeled])
        right = float((truth[places] == targets).double().mean())
        self.notes.append(f"trusted: {len(places):,} of {len(pool):,} pool images, {right:.2%} of them rightly")
        return LabeledImages(pool[places], targets, torch.from_numpy(self.unlabeled)[places])

    def generator(self) -> tuple[GanMaker, GanReport]:
        """Train the generator."""
        pool = None if self.given.no_pool else torch.from_numpy(self.real.images[self.unlabeled])
        return train_gan(
            self.recipe(), self.labeled, classes=CLASSES, pool=pool,
            trusted=None if pool is None else self.trusted(), seed=self.given.seed, device=device(),
            checkpoint=self.path("generator"), on_progress=self.progress, on_sheet=self.sheet,
        )  # fmt: skip

    def recipe(self) -> GanRecipe:
        """Return the recipe that was asked for; by default the one for this machine."""
        name = self.given.recipe or ("standard" if device().type == "cuda" else "small")
        recipe = replace(GAN_RECIPES[name], **({"loss": self.given.loss} if self.given.loss else {}))
        if self.given.quick:
            recipe = replace(recipe, width=8, batch_size=16, look_every=20)
        return replace(recipe, steps=self.given.steps or (40 if self.given.quick else recipe.steps))

    def rows(self, judge: LeNet5, made: Tensor, told: GanReport) -> list[dict[str, Any]]:
        """Return a row a class and one of all."""
        count = len(made)
        test = torch.from_numpy(self.test.images)
        targets = torch.from_numpy(self.test.targets)
        wanted = torch.arange(CLASSES).repeat_interleave(count // CLASSES)
        says, truth = (outputs(judge, images).argmax(dim=1) for images in (made, test))
        order = torch.from_numpy(np.random.default_rng(0).permutation(len(test)))
        known, other = order[:count], order[count : 2 * count]
        features = {name: units(judge, images) for name, images in (("made", made), ("test", test))}
        covered = coverage(features["test"][known], features["made"])
        covered_by_real = coverage(features["test"][known], features["test"][other])
        rows = []
        for name in ["all", *range(CLASSES)]:
            here = (wanted >= 0) if name == "all" else (wanted == name)
            there = (targets >= 0) if name == "all" else (targets == name)
            mine = there[known]
            share, of_real = float(covered[mine].double().mean()), float(covered_by_real[mine].double().mean())
            rows.append(
                {
                    "class": str(name), "labels": len(self.labeled), "pool": told.pool, "images": int(here.sum()),
                    "agreement": float((says == wanted)[here].double().mean()),
                    "agreement_of_real": float((truth == targets)[there].double().mean()),
                    "coverage": share, "coverage_of_real": of_real, "ratio": share / of_real,
                    "steps": told.steps, "seconds": told.seconds,
                }
            )  # fmt: skip
        return rows

    def fit(self, name: str, model: torch.nn.Module, images: LabeledImages, steps: int) -> None:
        """Train a classifier for a number of steps."""
        recipe = SupervisedRecipe(least_steps=steps, most_steps=steps, patience=0)
        start = time.monotonic()
        train(model, images, recipe, seed=self.given.seed, device=device(), checkpoint=self.path(name))
        self.notes.append(f"{name}: {len(images):,} labels, {time.monotonic() - start:,.0f} s")

    def path(self, name: str) -> Path | None:
        """Return where a checkpoint lies."""
        return self.keep / f"{name}.safetensors" if self.keep else None

    def progress(self, done: int, total: int, _: str) -> None:
        """Show how far the generator is."""
        if done % 100 == 0:
            print(f"\r{done:,} of {total:,} steps", end="", flush=True)

    def sheet(self, step: int, sheet: Tensor) -> None:
        """Write the samples so far."""
        if self.given.sheet:
            Image.fromarray(sheet[0].numpy()).save(self.given.sheet)
        if self.keep:
            Image.fromarray(sheet[0].numpy()).save(self.keep / f"sheet-{step}.png")


def _some(digits: Digits, places: Any) -> LabeledImages:
    images, targets = torch.from_numpy(digits.images[places]), torch.from_numpy(digits.targets[places])
    return LabeledImages(images, targets, torch.from_numpy(places))


def _part(images: LabeledImages, places: slice) -> LabeledImages:
    return LabeledImages(images.images[places], images.targets[places], images.ids[places])


def outputs(model: torch.nn.Module, images: Tensor) -> Tensor:
    """Return logits (N, K) of uint8 images, on the CPU."""
    with torch.inference_mode():
        parts = [model(to_float(part.to(device()))).float().cpu() for part in torch.split(images, _CHUNK)]
    return torch.cat(parts)


def units(judge: LeNet5, images: Tensor) -> Tensor:
    """Return the judge's 84 units (N, 84) before its bottleneck."""
    with torch.inference_mode():
        return torch.cat([judge.body[:-1](to_float(part.to(device()))).cpu() for part in torch.split(images, _CHUNK)])


def coverage(real: Tensor, made: Tensor) -> Tensor:
    """Return which real features (N, D) have a made one (M, D) nearer than their fifth real neighbor, bool (N,)."""
    reach = torch.cdist(real, real).kthvalue(_NEIGHBORS + 1, dim=1).values  # the first is the image itself
    return torch.cdist(real, made).amin(dim=1) <= reach


def main() -> None:
    """Measure 1,000 labels and a pool of 59,000."""
    given = arguments(
        __doc__, labels=1000, pool=60_000, images=2000, steps=0, seed=0, recipe="", loss="", keep="", sheet="",
        no_pool=False,
    )  # fmt: skip
    if given.quick:
        given.images, given.pool = 200, 2000
    if given.keep:
        Path(given.keep).mkdir(parents=True, exist_ok=True)
    trial = Trial(given)
    rows = trial.run()
    recipe = trial.recipe()
    report("Generated digits", rows, given, recipe=repr(recipe), notes=trial.notes)


if __name__ == "__main__":
    main()
