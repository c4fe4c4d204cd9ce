"""Sample sheets: one row a class, so that a person sees at a glance how far a generator is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_GAP = 2
_EDGE = 128  # gray between the images


def sheet_of(rows: Sequence[Tensor]) -> Tensor:
    """Lay images out in rows.

    Args:
        rows: A class each, uint8 (N, C, S, S); all with the same C and S.

    Returns:
        uint8 (C, H, W) with a gray gap around each image.
    """
    side, channels = rows[0].shape[-1], rows[0].shape[1]
    step, columns = side + _GAP, max(len(row) for row in rows)
    sheet = torch.full((channels, len(rows) * step + _GAP, columns * step + _GAP), _EDGE, dtype=torch.uint8)
    for line, row in enumerate(rows):
        for place, image in enumerate(row):
            top, left = _GAP + line * step, _GAP + place * step
            sheet[:, top : top + side, left : left + side] = image
    return sheet
