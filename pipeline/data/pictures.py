"""Makes an adversarial copy and its difference from the original visible: PNGs to look at, never to train on."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from pipeline.data.display import encode_display
from pipeline.data.transforms import to_float

PICTURE_SIDE = 512
_GRAY = 128  # no difference
_SWING = 127  # the largest difference, brighter or darker


def encode_copy(copy: Tensor) -> bytes:
    """Encode an adversarial copy as people would see it: clipped to [0, 1] and rounded to eight bits.

    Args:
        copy: float (C, S, S) with C of 1 or 3; 1.0 is white.

    Returns:
        A PNG of at most 512 pixels a side.
    """
    return _png((copy.detach().cpu().double().clamp(0, 1) * 255).round())


def encode_difference(copy: Tensor, original: Tensor) -> tuple[bytes, float]:
    """Encode what was added to the original: mid-gray where nothing, brighter where more, darker where less.

    The largest difference of the image takes the full range, so a value v of the PNG stands for a difference of
    (v - 128) / 255 / amplified.

    Args:
        copy: float (C, S, S), before any clipping.
        original: uint8 (C, S, S), or float in [0, 1].

    Returns:
        A PNG of at most 512 pixels a side, and how many times the difference was amplified; 1.0 if there is none.
    """
    added = copy.detach().cpu().double() - to_float(original.cpu()[None])[0].double()  # (C, S, S); as it was attacked
    largest = float(added.abs().max())
    amplified = _SWING / 255 / largest if largest > 0 else 1.0
    return _png((_GRAY + added * amplified * 255).round()), amplified


def encode_as_shown(shown: bytes, copy: Tensor, original: Tensor) -> tuple[bytes, str]:
    """Encode an adversarial copy like the image that people see of its original: same size, same form.

    What the attack added, which has the model's size, is scaled up and added to the image that people see.

    Args:
        shown: The original's display file, as `encode_display` made it.
        copy: float (C, S, S), before any clipping.
        original: uint8 (C, S, S).

    Returns:
        The file's bytes and its media type.
    """
    with Image.open(io.BytesIO(shown), formats=("PNG", "JPEG", "WEBP")) as image:
        pixels = np.asarray(image.convert("L" if image.mode == "L" else "RGB"))  # (H, W) or (H, W, 3)
    added = copy.detach().cpu().double() - to_float(original.cpu()[None])[0].double()  # (C, S, S)
    fitted = _as_large(added, *pixels.shape[:2])  # (C, H, W)
    fitted = fitted.mean(dim=0) if pixels.ndim == 2 else fitted.expand(3, -1, -1).permute(1, 2, 0)
    changed = (torch.from_numpy(pixels.copy()).double() + 255 * fitted).round().clamp(0, 255)
    return encode_display(changed.to(torch.uint8).numpy())


def _as_large(added: Tensor, height: int, width: int) -> Tensor:
    """Scale what was added (C, S, S) to an image's size (C, H, W); the border that made it square is cut away."""
    side = added.shape[-1]
    scale = side / max(height, width)
    tall, wide = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (side - tall) // 2, (side - wide) // 2
    part = added[None, :, top : top + tall, left : left + wide]
    if (tall, wide) == (height, width):
        return part[0]
    return functional.interpolate(part, size=(height, width), mode="bilinear", align_corners=False)[0]


def _png(values: Tensor) -> bytes:
    """Encode whole numbers from 0 to 255, (C, S, S)."""
    pixels = values.clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()  # (S, S, C)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    side = max(image.size)
    if side > PICTURE_SIDE:
        size = tuple(max(1, round(length * PICTURE_SIDE / side)) for length in image.size)
        image = image.resize((size[0], size[1]), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
