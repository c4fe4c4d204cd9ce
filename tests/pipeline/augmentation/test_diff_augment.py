from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pipeline.augmentation.diff_augment import Change, diff_augment


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("change", ["color", "translation", "cutout"])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_its_own_change_from_the_generator_alone(change: Change, channels: int) -> None:
    images = (torch.rand(1, channels, 28, 28, generator=seeded(1)) * 2 - 1).expand(6, -1, -1, -1)
    before = torch.get_rng_state()
    changed = diff_augment(images, [change], seeded())
    assert changed.shape == images.shape
    assert len({image.numpy().tobytes() for image in changed}) > 3
    assert torch.equal(changed, diff_augment(images, [change], seeded()))
    assert not torch.equal(changed, diff_augment(images, [change], seeded(2)))
    assert torch.equal(torch.get_rng_state(), before)


def test_gradients_pass_where_pixels_are_seen() -> None:
    images = torch.rand(3, 1, 16, 16, requires_grad=True)
    diff_augment(images, ["translation"], seeded()).sum().backward()
    assert images.grad is not None
    assert float(images.grad.sum()) == 3 * 256
    images.grad = None
    diff_augment(images, ["cutout"], seeded()).sum().backward()
    share = images.grad.mean(dim=(1, 2, 3))  # type: ignore[union-attr]
    assert bool(((share >= 0.75) & (share < 1)).all()), "at most a quarter of an image is cut out"


def test_shifts_are_whole_pixels_and_repeat_the_edge() -> None:
    ramp = torch.arange(16.0).view(1, 1, 1, 16).expand(20, 1, 16, 16)
    moved = diff_augment(ramp, ["translation"], seeded())
    starts = [_shift_of(image) for image in moved]
    assert set(starts) <= {-2, -1, 0, 1, 2}
    assert len(set(starts)) > 2


def _shift_of(image: Tensor) -> int:
    row = image[0, 0]
    shift = int(row[8]) - 8
    assert torch.equal(row, (torch.arange(16.0) + shift).clamp(0, 15))
    return shift


def test_no_change_is_no_change() -> None:
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(diff_augment(images, (), seeded()), images)
