"""Pictures of adversarial copies: what is seen is what was computed, as far as eight bits can show it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.data.pictures import PICTURE_SIDE, encode_copy, encode_difference


def decode(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG"
    return np.asarray(image)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [1e-5, 0.01, 0.7])
def test_the_difference_can_be_read_back(channels: int, size: float) -> None:
    generator = torch.Generator().manual_seed(0)
    original = torch.randint(0, 256, (channels, 9, 9), dtype=torch.uint8, generator=generator)
    copy = original / 255 + size * torch.randn(channels, 9, 9, generator=generator)
    data, amplified = encode_difference(copy, original)
    seen = decode(data).reshape(9, 9, channels).astype(float)
    added = (copy.double() - (original / 255).double()).permute(1, 2, 0).numpy()
    assert np.abs((seen - 128) / 255 / amplified - added).max() <= 0.5001 / 255 / amplified
    assert np.abs(seen - 128).max() == 127  # the full range, one way or the other


def test_the_copy_is_clipped_and_rounded_for_people_only() -> None:
    copy = torch.tensor([[[-0.5, 0.0], [0.5, 1.5]]])
    assert decode(encode_copy(copy)).tolist() == [[0, 0], [128, 255]]
    assert copy.min() == -0.5
    data, amplified = encode_difference(copy, torch.tensor([[[0, 0], [0, 255]]], dtype=torch.uint8))
    assert decode(data).tolist() == [[1, 128], [255, 255]]  # not clipped: -0.5, 0, 0.5 and 0.5
    assert amplified == pytest.approx(127 / 255 / 0.5)


def test_color_stays_in_its_channel() -> None:
    original = torch.zeros(3, 4, 4, dtype=torch.uint8)
    copy = torch.zeros(3, 4, 4)
    copy[0, 1, 2], copy[2, 3, 0] = 0.25, -0.25
    seen = decode(encode_difference(copy, original)[0])
    assert seen[1, 2].tolist() == [255, 128, 128]
    assert seen[3, 0].tolist() == [128, 128, 1]


def test_an_equal_copy_is_gray_all_over() -> None:
    original = torch.full((1, 5, 5), 51, dtype=torch.uint8)
    data, amplified = encode_difference(original / 255, original)
    assert (decode(data) == 128).all()
    assert amplified == 1.0


def test_large_pictures_are_made_smaller() -> None:
    large = torch.rand(3, 700, 700)
    assert decode(encode_copy(large)).shape == (PICTURE_SIDE, PICTURE_SIDE, 3)
    assert decode(encode_copy(large[:, :PICTURE_SIDE, :PICTURE_SIDE])).shape == (PICTURE_SIDE, PICTURE_SIDE, 3)
