from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.reports import AskedRound
from pipeline.reports.pictures import contact_sheet


def test_images_stand_side_by_side_and_small_ones_are_enlarged() -> None:
    images = np.stack([np.full((24, 24), value, dtype=np.uint8) for value in range(20)])
    sheet = contact_sheet(images)
    assert sheet.shape == (2 * 50, 17 * 50, 4)
    assert sheet[0, 0].tolist() == [0, 0, 0, 255]
    assert sheet[0, 50 * 3].tolist() == [3, 3, 3, 255]
    assert sheet[50, 0].tolist() == [17, 17, 17, 255]
    assert sheet[0, 48].tolist() == [0, 0, 0, 0]  # the gap is clear


def test_color_stays_color() -> None:
    images = np.zeros((1, 60, 60, 3), dtype=np.uint8)
    images[..., 2] = 200
    assert contact_sheet(images)[0, 0].tolist() == [0, 0, 200, 255]
    assert contact_sheet(images[..., :1]).shape == contact_sheet(images).shape


def test_what_is_no_image_is_refused() -> None:
    for bad in (np.zeros((2, 4, 4)), np.zeros((4, 4), dtype=np.uint8), np.zeros((2, 4, 4, 2), dtype=np.uint8)):
        with pytest.raises(DataError, match="expected uint8 images"):
            AskedRound(round=0, labels=2, images=bad)
    with pytest.raises(DataError, match="a class for each of 2 images, got 1"):
        AskedRound(round=0, labels=2, images=np.zeros((2, 4, 4), dtype=np.uint8), classes=["cat"])
