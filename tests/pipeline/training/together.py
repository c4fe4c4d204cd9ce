"""Trainings that two processes share and one does alone: `torchrun ... -m tests.pipeline.training.together FOLDER`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from pipeline.models.registry import build_model
from pipeline.training.labeled import LabeledImages
from pipeline.training.process_group import ProcessGroup, launched_group
from pipeline.training.recipes import SupervisedRecipe
from pipeline.training.supervised import train
from tests.pipeline.toys import CPU

RECIPE = SupervisedRecipe(least_steps=24, most_steps=24, batch_size=19, window=8, balance="sampling")
STOP_AT = 20


class Stop(Exception):
    """What ends a training in its middle."""


def digits(start: int, count: int, rare: int = 0) -> LabeledImages:
    """Some of scikit-learn's digits, 16 x 16; of the classes from 7 on just a few."""
    images, targets = load_digits(return_X_y=True)
    keep = np.flatnonzero((targets < 7) | (np.arange(len(targets)) % 5 == 0) | (rare == 0))[start : start + count]
    pixels = (images[keep].reshape(-1, 1, 8, 8) * 15.9).astype(np.uint8)
    big = torch.from_numpy(pixels.repeat(2, axis=2).repeat(2, axis=3))
    return LabeledImages(big, torch.from_numpy(targets[keep].astype(np.int64)), torch.from_numpy(keep))


def copies_of(labeled: LabeledImages, count: int) -> LabeledImages:
    noise = 0.1 * torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(8))
    return LabeledImages(labeled.images[:count] / 255 + noise, labeled.targets[:count], labeled.ids[:count])


def made(count: int) -> LabeledImages:
    generator = torch.Generator().manual_seed(9)
    images = torch.randint(0, 256, (count, 1, 16, 16), generator=generator, dtype=torch.uint8)
    weights = 0.2 + torch.rand(count, generator=generator, dtype=torch.float64)
    return LabeledImages(images, torch.arange(count) % 10, -1 - torch.arange(count), weights)


class Odd(nn.Module):
    """Layers that usual networks do not have together."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6, momentum=None)
        self.depth, self.maps = StochasticDepth(0.3, "row"), nn.Dropout2d(0.3)
        self.flat, self.last = nn.BatchNorm1d(6, affine=False), nn.Linear(6, 10)
        self.drop = nn.AlphaDropout(0.2)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.norm(self.first(images))
        maps = self.maps(torch.relu(maps + self.depth(maps)))
        return torch.as_tensor(self.last(self.drop(self.flat(maps.amax(dim=(2, 3))))))


def odd() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return Odd()


def of_name(name: str) -> nn.Module:
    return build_model(name, classes=10, channels=1, image_size=16, seed=1)


@dataclass(frozen=True)
class Scene:
    """One training."""

    model: Callable[[], nn.Module]
    recipe: SupervisedRecipe = RECIPE
    double: bool = True  # in float64, where only mistakes differ
    others: dict[str, LabeledImages | None] = field(default_factory=dict)

    def run(
        self, group: ProcessGroup | None, checkpoint: Path | None = None, *, stop: bool = False
    ) -> dict[str, Tensor]:
        """Train, and return the weights."""
        model, labeled = self.model(), digits(0, 120, rare=1)
        model = model.double() if self.double else model
        mixture = {"copies": copies_of(labeled, 30), "pseudo": digits(1000, 40), "validation": digits(1300, 30)}

        def tell(done: int, *_: object) -> None:
            if stop and done == STOP_AT:
                raise Stop

        given = {**mixture, "seed": 3, "device": CPU, "group": group, "on_progress": tell, **self.others}
        train(model, labeled, self.recipe, checkpoint=checkpoint, checkpoint_seconds=0.0, **given)
        return {name: value.clone() for name, value in model.state_dict().items()}


def lenet5() -> nn.Module:
    return of_name("lenet5")


def convnet() -> nn.Module:
    return of_name("convnet")


BARE: dict[str, LabeledImages | None] = {"copies": None, "pseudo": None}
SCENES = {
    "lenet5": Scene(lenet5),
    "convnet": Scene(convnet),
    "lenet5 in float32": Scene(lenet5, double=False),
    "convnet in float32": Scene(convnet, double=False),
    "without copies": Scene(lenet5, others={**BARE, "validation": None}),
    "mixup": Scene(convnet, replace(RECIPE, mixing="mixup", balance="logit_adjustment", label_smoothing=0.1)),
    "cutmix": Scene(lenet5, replace(RECIPE, mixing="cutmix"), others={"synthetic": made(25)}),
    "decoupled": Scene(convnet, replace(RECIPE, decoupled=True), others={**BARE, "synthetic": made(25)}),
    "odd layers": Scene(odd, replace(RECIPE, optimizer="adam")),
}


def main() -> None:
    folder = Path(sys.argv[1])
    group = launched_group("cpu")
    found = {name: scene.run(group) for name, scene in SCENES.items()}
    found["taken up by two"] = SCENES["convnet"].run(group, folder / "by-one.checkpoint")
    with suppress(Stop):
        SCENES["convnet"].run(group, folder / "by-two.checkpoint", stop=True)
    for name, state in found.items():
        save_file(state, folder / f"{name}.{group.rank}.safetensors")


if __name__ == "__main__":
    main()
