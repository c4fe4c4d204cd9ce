"""Encodes anew, from decoded pixels, what a browser gets: no metadata, script or polyglot tail travels along."""

from __future__ import annotations

import io

from PIL import Image

from pipeline.data.values import Pixels

LOSSLESS_SIDE = 256
DISPLAY_SIDE = 1024


def encode_display(pixels: Pixels) -> tuple[bytes, str]:
    """Encode decoded pixels for people to look at.

    Args:
        pixels: uint8 (H, W) or (H, W, 3).

    Returns:
        The file's bytes and its media type: a PNG, exact, up to 256 pixels a side, else a JPEG (quality 85) of at most
        1024 pixels a side.
    """
    image = Image.fromarray(pixels)
    side = max(image.size)
    buffer = io.BytesIO()
    if side <= LOSSLESS_SIDE:
        image.save(buffer, "PNG", compress_level=1)
        return buffer.getvalue(), "image/png"
    if side > DISPLAY_SIDE:
        scale = DISPLAY_SIDE / side
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        image = image.resize(size, Image.Resampling.BILINEAR)
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue(), "image/jpeg"
