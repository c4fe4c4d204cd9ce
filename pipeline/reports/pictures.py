"""Queried images as contact sheets: one PNG a round, inside the page as a data URI."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
from numpy.typing import NDArray

TILE = 48  # points that an image takes on the page; small images are enlarged by whole steps, sharp
_GAP = 2
_WIDTH = 860  # of a sheet


def contact_sheet(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images (N, H, W) or (N, H, W, C) side by side in rows on one clear sheet (h, w, 4)."""
    colored = _with_alpha(images)  # (N, H, W, 4)
    enlarge = max(1, TILE // max(colored.shape[1:3]))
    colored = colored.repeat(enlarge, axis=1).repeat(enlarge, axis=2)
    count, height, width, _ = colored.shape
    columns = min(count, max(1, _WIDTH // (width + _GAP)))
    rows = math.ceil(count / columns)
    sheet = np.zeros((rows * (height + _GAP), columns * (width + _GAP), 4), dtype=np.uint8)
    for place, image in enumerate(colored):
        top, left = (place // columns) * (height + _GAP), (place % columns) * (width + _GAP)
        sheet[top : top + height, left : left + width] = image
    return sheet


def png_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """Return pixels (H, W, 4) as PNG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", optimize=True)
    return file.getvalue()


def data_uri(png: bytes) -> str:
    """Return a PNG as an address that needs no network."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _with_alpha(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    colored = images[..., None] if images.ndim == 3 else images
    colored = colored.repeat(3, axis=3) if colored.shape[3] == 1 else colored
    opaque = np.full((*colored.shape[:3], 1), 255, dtype=np.uint8)
    return np.concatenate([colored, opaque], axis=3)
