"""Draws the real images that a maker starts from, and knows them again when it is loaded."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from pipeline.data.transforms import Augmentation, augment, to_float
from pipeline.errors import DataError
from pipeline.randomness import derive_seed
from pipeline.training.labeled import LabeledImages
from pipeline.training.order import Order


def draw(images: LabeledImages, count: int, seed: int, augmentation: Augmentation = "auto") -> tuple[Tensor, Tensor]:
    """Draw images by seed, never the same twice while there are enough.

    From the second time on an image comes changed a little, so that what is made of it is new too.

    Args:
        images: What is drawn from; one or more.
        count: How many, 1 or more.
        seed: Any integer.
        augmentation: How images are changed that come again.

    Returns:
        float32 (count, C, S, S) in [0, 1], and their ids int64 (count,).
    """
    chosen = Order(seed, "draw", len(images)).take(0, count)  # (count,)
    pixels = to_float(images.images[chosen.to(images.images.device)].cpu())
    if count > len(images):
        generator = torch.Generator().manual_seed(derive_seed(seed, "draw again"))
        pixels = torch.cat([pixels[: len(images)], augment(pixels[len(images) :], generator, augmentation)])
    return pixels, images.ids[chosen.to(images.ids.device)].cpu()


def pixels_sha256(images: LabeledImages) -> str:
    """Return a hash of the pixels of all images, and of their shape and type, in their order."""
    pixels = images.images.cpu().contiguous()
    digest = hashlib.sha256(f"{pixels.dtype} {tuple(pixels.shape)}".encode())
    digest.update(pixels.numpy().tobytes())
    return digest.hexdigest()


def pick(images: LabeledImages, ids: Tensor) -> LabeledImages:
    """Return the images with the given ids, in their order.

    Raises:
        DataError: Some are not there, or an id is there twice.
    """
    known = images.ids.tolist()
    places = {sample: place for place, sample in enumerate(known)}
    if len(places) != len(known):
        raise DataError("expected each sample once, got some twice; give every image once")
    missing = [sample for sample in ids.tolist() if sample not in places]
    if missing:
        raise DataError(
            f"expected the images that the maker was trained with, got none of sample {missing[0]}"
            f"{f' and {len(missing) - 1} others' if len(missing) > 1 else ''}; give all of them, by their ids"
        )
    rows = torch.tensor([places[sample] for sample in ids.tolist()], dtype=torch.int64)
    return LabeledImages(images.images[rows], images.targets[rows], images.ids[rows])
