"""Turns each of Pillow's many pixel modes into plain 8-bit gray or RGB; its own conversions saturate 16-bit images."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from pipeline.data.values import Pixels, to_uint8, value_range
from pipeline.errors import ImageRejected

_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_WIDE = ("I", "F")  # and all that start with "I;16"


def normalize(image: Image.Image) -> tuple[Pixels, tuple[str, ...]]:
    """Return a loaded image upright, as uint8 (H, W) for gray or (H, W, 3) for color.

    Color profiles are not applied.

    Returns:
        The pixels, and notes on what was done.

    Raises:
        ImageRejected: The mode has no meaning as gray or RGB, or a value is not a number.
    """
    image, turned = _upright(image)
    if image.mode.startswith("I;16") or image.mode in _WIDE:
        pixels, notes = _narrow(image)
    elif image.mode in _WITH_ALPHA or "transparency" in image.info:
        pixels, notes = _on_white(image)
    else:
        pixels, notes = _plain(image)
    return pixels, turned + notes


def _upright(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    try:
        orientation = image.getexif().get(0x0112, 1)
        if orientation in range(2, 9):
            return ImageOps.exif_transpose(image), ("turned upright as its EXIF says",)
    except Exception:  # EXIF is written by every camera and tool in its own way; broken EXIF does not spoil the pixels
        return image, ("its EXIF data cannot be read: it may lie on its side",)
    return image, ()


def _narrow(image: Image.Image) -> tuple[Pixels, tuple[str, ...]]:
    """16-bit, 32-bit and float gray to 8 bits."""
    array = np.asarray(image)
    if image.mode.startswith("I;16"):
        return to_uint8(array.astype(np.uint16), 0, 65535), ("16-bit values divided by 257",)
    low, high = value_range(array)
    pixels = to_uint8(array, low, high)
    return pixels, (f"values of {low:g} to {high:g} scaled to 8 bits",)


def _on_white(image: Image.Image) -> tuple[Pixels, tuple[str, ...]]:
    gray = image.mode in ("1", "L", "LA", "La")
    rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    ground = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    flat = Image.alpha_composite(ground, rgba).convert("RGB")
    array = np.asarray(flat)
    opaque = bool((np.asarray(rgba)[:, :, 3] == 255).all())
    notes = () if opaque else ("transparent parts laid on white",)
    return (np.ascontiguousarray(array[:, :, 0]) if gray else array), notes


def _plain(image: Image.Image) -> tuple[Pixels, tuple[str, ...]]:
    if image.mode in ("L", "RGB"):
        return np.asarray(image), ()
    if image.mode == "1":
        return np.asarray(image.convert("L")), ()
    if image.mode in ("P", "YCbCr", "HSV", "RGBX"):
        return np.asarray(image.convert("RGB")), ()
    if image.mode == "CMYK":
        return np.asarray(image.convert("RGB")), ("print colors (CMYK) turned into RGB",)
    raise ImageRejected(f"its color mode {image.mode} cannot be shown: save it as RGB")
