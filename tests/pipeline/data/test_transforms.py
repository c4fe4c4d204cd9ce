from __future__ import annotations

import pytest
import torch

from pipeline.data.transforms import Augmentation, augment, to_float
from pipeline.errors import DataError
from tests.pipeline.toys import stripes


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", ["drawing", "photo", "auto", "none"])
def test_a_generator_decides_and_the_global_state_does_not(kind: Augmentation) -> None:
    images = stripes(9).images
    before = torch.random.get_rng_state()
    first = augment(images, generator(), kind)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(3)
    assert torch.equal(first, augment(images, generator(), kind))
    assert first.shape == images.shape
    assert first.dtype == torch.float32
    assert torch.equal(first, augment(images, generator(1), kind)) == (kind == "none")


def test_each_image_gets_its_own_change() -> None:
    same = stripes(1).images.expand(40, -1, -1, -1)
    for kind in ("drawing", "photo"):
        assert len(torch.unique(augment(same, generator(), kind), dim=0)) > 10


def test_changes_are_small() -> None:
    dot = torch.zeros(400, 1, 29, 29)
    dot[:, :, 14, 14] = 1
    moved = augment(dot, generator(), "drawing")
    rows = torch.arange(29.0)
    mass = moved.sum(dim=(1, 2, 3))
    down = (moved.sum(dim=(1, 3)) * rows).sum(dim=1) / mass - 14
    right = (moved.sum(dim=(1, 2)) * rows).sum(dim=1) / mass - 14
    for shift in (down, right):
        assert 1.0 < shift.abs().max() < 0.15 * 29
        assert abs(float(shift.mean())) < 0.3


def test_gray_images_are_never_mirrored_and_photos_are_half_the_time() -> None:
    left = torch.zeros(200, 1, 16, 16)
    left[:, :, :, 2:5] = 1  # a bar at the left
    gray = augment(left, generator())
    color = augment(left.expand(-1, 3, -1, -1), generator())
    half = 8
    assert (gray[..., :half].sum(dim=(1, 2, 3)) > gray[..., half:].sum(dim=(1, 2, 3))).all()
    mirrored = color[..., :half].sum(dim=(1, 2, 3)) < color[..., half:].sum(dim=(1, 2, 3))
    assert 70 < int(mirrored.sum()) < 130


def test_photos_keep_their_pixels() -> None:
    images = torch.rand(30, 3, 16, 16, generator=generator(4))
    changed = augment(images, generator(), "photo")
    close = (changed[:, :, None, 8, 8] - images.flatten(2).transpose(1, 2).transpose(1, 2)).abs().amin(dim=2)
    assert close.max() < 1e-4  # moved and mirrored, not blurred


def test_floats_pass_and_bytes_are_scaled() -> None:
    floats = torch.tensor([[[[-0.5, 1.5]]]])
    assert torch.equal(to_float(floats), floats)
    assert to_float(torch.tensor([[[[51]]]], dtype=torch.uint8)).item() == pytest.approx(0.2)
    assert to_float(torch.tensor([[[[51]]]], dtype=torch.uint8), torch.float64).dtype == torch.float64


def test_other_types_and_kinds_are_refused() -> None:
    with pytest.raises(DataError, match="uint8 or float"):
        to_float(torch.zeros(1, 1, 2, 2, dtype=torch.int32))
    with pytest.raises(DataError, match="auto, none, drawing or photo"):
        augment(torch.zeros(1, 1, 2, 2), generator(), "flip")
