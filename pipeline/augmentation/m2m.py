"""Images of a rare class by pushing common ones over a classifier's border: no generator has to be trained.

Kim, Jeong and Shin, "M2m: Imbalanced Classification via Major-to-minor Translation", CVPR 2020, arXiv:2004.00431. The
classifier is trained on real labels alone. To a person the images still look like the common class: what they carry is
what the classifier takes for the rare one. A second classifier rarely agrees, and a gate that asks one refuses them.
Left out: the paper's term that lowers the common class in the network being trained, which a maker does not have, and
its odds of a source by class counts; here all images given are drawn alike.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.attacks.border import check_logits, dual_norm
from pipeline.augmentation.drawing import draw, pick, pixels_sha256
from pipeline.data.transforms import to_float
from pipeline.errors import DataError, ModelError
from pipeline.files import FileRecord
from pipeline.models.base import Classifier
from pipeline.models.state import borrowed, device_and_type
from pipeline.models.store import load_model, save_model
from pipeline.randomness import derive_seed
from pipeline.training.inference import inference_batch
from pipeline.training.labeled import LabeledImages

_MOST_TRIES = 20  # images pushed for one that is wanted, before giving up
_KEY = "m2m"


@dataclass(frozen=True, kw_only=True)
class M2mRecipe:
    """How far an image is pushed, and when it counts; the authors' values for CIFAR.

    Attributes:
        steps: Of the push.
        step: Euclidean length of one, in pixels of [0, 1].
        start: Length of the random change before the first one.
        confidence: Least probability of the rare class afterwards, gamma; images below are not used.
    """

    steps: int = 10
    step: float = 0.1
    start: float = 0.5
    confidence: float = 0.9

    def __post_init__(self) -> None:
        if self.steps < 1 or self.step <= 0 or self.start < 0 or not 0 <= self.confidence < 1:
            raise ModelError(
                "expected steps and step above 0, start of 0 or more and confidence in [0, 1), "
                f"got {self.steps}, {self.step}, {self.start} and {self.confidence}"
            )


@dataclass(frozen=True, kw_only=True)
class M2mMaker:
    """Makes images of one rare class from common images and a classifier; an `ImageMaker`.

    Attributes:
        model: Trained on real images alone; used where it lies, and left as found.
        target: Class position of the rare class.
        common: Labeled images of other classes, that it draws from.
        recipe: How far they are pushed.
    """

    model: Classifier
    target: int
    common: LabeledImages
    recipe: M2mRecipe = M2mRecipe()

    def __post_init__(self) -> None:
        if not 0 <= self.target < self.model.architecture.classes:
            raise ModelError(f"expected a class below {self.model.architecture.classes}, got {self.target}")
        if not len(self.common) or bool((self.common.targets == self.target).any()):
            raise ModelError(
                f"expected common images, none of class {self.target}, got others; leave its own images out"
            )

    def make(self, target: int, count: int, *, seed: int) -> Tensor:
        """Return uint8 images (count, C, S, S); the same for the same seed on one kind of device.

        Raises:
            ModelError: Another class is asked for, or too few images could be pushed over the border.
            StrategyError: Logits are not finite.
        """
        if target != self.target:
            raise ModelError(f"expected class {self.target}, got {target}; make one for it")
        made = [torch.empty(0, *self.common.images.shape[1:], dtype=torch.uint8)]
        found, turn = 0, 0
        while found < count:
            if turn == _MOST_TRIES:
                raise ModelError(
                    f"expected {count} images pushed to class {target}, got {found} after {turn * count} tries; "
                    "allow longer steps, or ask for less confidence"
                )
            made.append(self._some(count, derive_seed(seed, "m2m", turn))[: count - found])
            found, turn = found + len(made[-1]), turn + 1
        return torch.cat(made)

    def _some(self, count: int, seed: int) -> Tensor:
        """Push so many drawn images and return those that count, uint8 (N, C, S, S)."""
        device, dtype = device_and_type(self.model)
        generator = torch.Generator().manual_seed(derive_seed(seed, "start"))
        pixels, kept = draw(self.common, count, seed)[0], []
        for batch in torch.split(pixels, inference_batch(tuple(pixels.shape[1:]), device)):
            start = unit(torch.randn(batch.shape, generator=generator)) * self.recipe.start
            pushed = push_to(self.model, (batch + start).clamp(0, 1).to(device, dtype), self.target, self.recipe)
            rounded = (pushed * 255).round().to(torch.uint8)  # judged as it will be stored
            kept.append(rounded[self._sure(rounded)].cpu())
        return torch.cat(kept)

    def _sure(self, images: Tensor) -> Tensor:
        with borrowed(self.model), torch.inference_mode():
            logits = self.model(to_float(images, device_and_type(self.model)[1]))
        return torch.as_tensor(logits.softmax(dim=1)[:, self.target] >= self.recipe.confidence)


def push_to(model: Classifier, images: Tensor, target: int, recipe: M2mRecipe) -> Tensor:
    """Push images towards a class by steps of one length down the cross-entropy, within [0, 1].

    Args:
        model: From images to logits; used in eval mode, left as found.
        images: float (B, C, S, S) in [0, 1], on the model's device.
        target: Class position.
        recipe: Steps and their length.

    Returns:
        float (B, C, S, S) in [0, 1].

    Raises:
        StrategyError: Logits are not finite.
    """
    targets = torch.full((len(images),), target, device=images.device)
    with borrowed(model), torch.inference_mode(mode=False), torch.enable_grad():
        for _ in range(recipe.steps):
            x = images.detach().clone().requires_grad_()
            logits = model(x)
            check_logits(logits.detach())
            gradient = torch.autograd.grad(functional.cross_entropy(logits, targets, reduction="sum"), x)[0]
            images = (x.detach() - recipe.step * unit(gradient)).clamp(0, 1)
    return images


def unit(directions: Tensor) -> Tensor:
    """Return directions (B, C, S, S) of Euclidean length 1 each; those of length 0 stay."""
    size = dual_norm(directions, "l2").clamp_min(torch.finfo(directions.dtype).tiny)
    return directions / size[:, None, None, None]


def save_m2m(maker: M2mMaker, path: Path, metadata: dict[str, str]) -> FileRecord:
    """Write a maker: the classifier as `save_model` does, with the recipe and the ids of the common images as text.

    Returns:
        The file's record; keep the sha256, `load_m2m` asks for it.
    """
    text = {
        "recipe": asdict(maker.recipe), "target": maker.target, "ids": maker.common.ids.tolist(),
        "pixels": pixels_sha256(maker.common),
    }  # fmt: skip
    return save_model(maker.model, path, metadata | {_KEY: json.dumps(text, sort_keys=True)})


def load_m2m(path: Path, sha256: str, common: LabeledImages) -> tuple[M2mMaker, dict[str, str]]:
    """Load a maker, on the CPU, with its text.

    Args:
        path: A file of `save_m2m`.
        sha256: The hash that was recorded when it was written.
        common: The common images, found by their ids; more than were drawn from do not matter.

    Raises:
        FileDamaged: The file is missing, or is not the one that was recorded.
        ModelError: It is not a file of `save_m2m`.
        DataError: The common images are missing, or are not those it was saved with.
    """
    model, metadata = load_model(path, sha256)
    if _KEY not in metadata:
        raise ModelError(f"expected a maker of Borderline at {path}, got a classifier; load it by load_model")
    text = json.loads(metadata.pop(_KEY))
    found = pick(common, torch.tensor(text["ids"], dtype=torch.int64))
    if pixels_sha256(found) != text["pixels"]:
        raise DataError("expected the common images as they were, got other pixels under their ids; make it anew")
    return M2mMaker(model=model, target=text["target"], common=found, recipe=M2mRecipe(**text["recipe"])), metadata
