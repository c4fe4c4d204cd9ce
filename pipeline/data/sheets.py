"""Contact sheets: many small images in one PNG, for people to look at."""

from __future__ import annotations

import io

import torch
from PIL import Image
from torch import Tensor

_GAP = 2  # pixels between two images
_GRAY = 96
_LEAST_SIDE = 56  # smaller images are enlarged, a whole number of times, so that their pixels stay square


def contact_sheet(images: Tensor, *, columns: int = 10) -> bytes:
    """Return images side by side, row after row.

    Args:
        images: uint8 (N, C, S, S) with C of 1 or 3 and N of 1 or more.
        columns: Images a row.

    Returns:
        A PNG. Images below 56 pixels a side are enlarged by a whole factor.
    """
    count, channels, side, _ = images.shape  # (N, C, S, S)
    columns = min(columns, count)
    rows = -(-count // columns)
    cell = side + _GAP
    sheet = torch.full((channels, rows * cell - _GAP, columns * cell - _GAP), _GRAY, dtype=torch.uint8)
    for place, image in enumerate(images.cpu()):
        top, left = place // columns * cell, place % columns * cell
        sheet[:, top : top + side, left : left + side] = image
    return encode_sheet(sheet, enlarged=-(-_LEAST_SIDE // side))


def encode_sheet(sheet: Tensor, *, enlarged: int = 1) -> bytes:
    """Return one picture, uint8 (C, H, W) with C of 1 or 3, as a PNG, each pixel `enlarged` pixels wide and high."""
    pixels = sheet.cpu().permute(1, 2, 0).numpy()  # (H, W, C)
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    if enlarged > 1:
        picture = picture.resize((picture.width * enlarged, picture.height * enlarged), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
