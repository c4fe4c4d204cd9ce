"""The trained generator: draws images of a class, and lies on disk as safetensors with its hash."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from pipeline.augmentation.gan.batches import to_bytes
from pipeline.augmentation.gan.memorization import Copies
from pipeline.augmentation.gan.networks import Generator, Shape, draw_noise
from pipeline.augmentation.gan.recipe import GanRecipe
from pipeline.errors import FileDamaged, ModelError
from pipeline.files import FileRecord, atomic_write_bytes, check_file
from pipeline.models.registry import put_state
from pipeline.models.state import borrowed
from pipeline.randomness import derive_seed
from pipeline.training.labeled import LabeledImages

_KEY, _KIND = "borderline", "gan"
_CHUNK = 256
_MOST_TRIES = 20  # times the images wanted


@dataclass(frozen=True)
class GanMaker:
    """Draws images of a class; an `ImageMaker`.

    Attributes:
        generator: In eval mode; its device is where drawing is done.
        recipe: How it was trained.
        copies: What tells copies of training images, or None to keep all that is drawn.
    """

    generator: Generator
    recipe: GanRecipe
    copies: Copies | None = None

    @property
    def shape(self) -> Shape:
        """Classes, channels and side of what it draws."""
        return self.generator.shape

    def make(self, target: int, count: int, *, seed: int) -> Tensor:
        """Return uint8 images (count, C, S, S) of one class, on the CPU; the noise is not truncated.

        Args:
            target: Class position.
            count: How many.
            seed: The same seed gives the same images on one kind of device.

        Raises:
            ModelError: There is no such class, or nearly all that is drawn are copies of training images.
        """
        if not 0 <= target < self.shape.classes:
            raise ModelError(f"expected a class from 0 to {self.shape.classes}, exclusive, got {target}")
        draws = torch.Generator().manual_seed(derive_seed(seed, "make", target))
        kept: list[Tensor] = [torch.empty(0, self.shape.channels, self.shape.side, self.shape.side, dtype=torch.uint8)]
        wanted, tried = count, 0
        while wanted > 0:
            if tried > _MOST_TRIES * (count + _CHUNK):
                raise ModelError(
                    f"expected images of class {target} unlike the training images, got {count - wanted} of {count} in "
                    f"{tried} tries; the generator knows its images by heart: use none of this class"
                )
            images = self._draw(target, draws)
            tried += len(images)
            if self.copies is not None:
                images = images[~self.copies.among(images, target)]
            kept.append(images[:wanted])
            wanted -= len(kept[-1])
        return torch.cat(kept)

    def _draw(self, target: int, draws: torch.Generator) -> Tensor:
        """Return a chunk of images; always as many, so that the first of 10 are the first of 1,000."""
        noise = draw_noise(_CHUNK, self.recipe.latent, coded=self.recipe.terms.code, generator=draws)
        device = self.generator.embedding.weight.device
        targets = torch.full((_CHUNK,), target, device=device)
        with borrowed(self.generator), torch.inference_mode():
            return to_bytes(self.generator(noise.to(device), targets))

    def without_copies(self, labeled: LabeledImages, least_distance: float | None = None) -> GanMaker:
        """Return a maker that drops what is too near to a labeled training image of its class (arXiv:2210.12231).

        Args:
            labeled: What it was trained on.
            least_distance: Root mean square over pixels in [0, 1]; None is, a class each, the 1 % quantile of the real
                images' distances to their nearest neighbors.
        """
        return replace(self, copies=Copies.of(labeled, self.shape.classes, least_distance))


def save_maker(maker: GanMaker, path: Path, metadata: dict[str, str]) -> FileRecord:
    """Write a generator with what is needed to build it again; `copies`, which are training images, are left out.

    Args:
        maker: What `train_gan` gave.
        path: Where; replaced whole or not at all.
        metadata: Text kept beside the weights; the recipe's repr and torch's version are added.

    Returns:
        The file's record; keep the sha256, `load_maker` asks for it.
    """
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in maker.generator.state_dict().items()}
    text = {"recipe": repr(maker.recipe), "torch": str(torch.__version__), **metadata}
    record = {"kind": _KIND, "shape": asdict(maker.shape), "recipe": asdict(maker.recipe), "metadata": text}
    return atomic_write_bytes(path, save(tensors, {_KEY: json.dumps(record, sort_keys=True)}))


def load_maker(path: Path, sha256: str) -> tuple[GanMaker, dict[str, str]]:
    """Load a generator, on the CPU, with its text.

    Args:
        path: A file of `save_maker`.
        sha256: The hash that was recorded when it was written.

    Raises:
        FileDamaged: The file is missing, or is not the one that was recorded.
        ModelError: It is not a file of `save_maker`.
    """
    check_file(path, sha256)
    data = path.read_bytes()
    try:
        record = _record(data)
        shape, recipe = Shape(**record["shape"]), _recipe(record["recipe"])
        tensors = load(data)
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(f"expected a generator of Borderline at {path}, got another file: {error!r}") from error
    except SafetensorError as error:
        raise FileDamaged(f"expected whole weights at {path}, got: {error}") from error
    generator = Generator(shape, recipe)
    put_state(generator, tensors, "a generator")
    return GanMaker(generator.eval(), recipe), dict(record["metadata"])


def _record(data: bytes) -> dict[str, Any]:
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    record: dict[str, Any] = json.loads(header["__metadata__"][_KEY])
    if record.get("kind") != _KIND:
        raise ValueError(f"kind is {record.get('kind')!r}")
    return record


def _recipe(fields: dict[str, Any]) -> GanRecipe:
    changes = fields["changes"]
    return GanRecipe(**{**fields, "changes": changes if isinstance(changes, str) else tuple(changes)})
