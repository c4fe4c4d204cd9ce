from __future__ import annotations

import pytest
import torch

from pipeline.augmentation.translation.history import History
from pipeline.augmentation.translation.losses import apart, fool, tell_apart
from pipeline.augmentation.translation.networks import PatchDiscriminator, Translator, check_shape
from pipeline.errors import ModelError


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [16, 28, 33, 50, 64, 128])
def test_any_side_and_color(channels: int, side: int) -> None:
    images = torch.rand(2, channels, side, side) * 2 - 1
    made = Translator(channels, 4, 1)(images)
    assert made.shape == images.shape
    assert float(made.detach().abs().max()) <= 1
    scores = PatchDiscriminator(channels, 4, side)(images)
    assert scores.shape[:2] == (2, 1)
    assert scores.shape[2] > 1


@pytest.mark.parametrize(("side", "field"), [(28, 34), (64, 70)])
def test_a_score_sees_a_patch_and_no_more(side: int, field: int) -> None:
    judge = PatchDiscriminator(1, 4, 128 if side == 64 else side)
    plain = torch.nn.Sequential(*(layer for layer in judge.body if not isinstance(layer, torch.nn.InstanceNorm2d)))
    images = torch.rand(1, 1, 160, 160, requires_grad=True)
    scores = plain(images)
    scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2].backward()
    rows = images.grad[0, 0].abs().sum(dim=1).nonzero()[:, 0]
    assert int(rows.max() - rows.min()) + 1 == field


def test_an_image_is_normalized_by_itself() -> None:
    translator = Translator(1, 4, 2).eval()
    images = torch.rand(4, 1, 28, 28) * 2 - 1
    alone = torch.cat([translator(image[None]) for image in images])
    assert torch.allclose(translator(images), alone, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 15, 15), (1, 28, 32), (28, 28)])
def test_small_or_oblong_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="16 pixels a side"):
        check_shape(shape)


def test_losses_are_the_papers() -> None:
    scores = torch.tensor([[0.2, 1.4], [-0.3, 0.7]])
    assert float(fool(scores)) == pytest.approx((0.8**2 + 0.4**2 + 1.3**2 + 0.3**2) / 4)
    real, made = scores[0], scores[1]
    expected = ((0.8**2 + 0.4**2) / 2 + (0.3**2 + 0.7**2) / 2) / 2
    assert float(tell_apart(real, made)) == pytest.approx(expected)
    assert float(apart(real, made)) == pytest.approx((0.5 + 0.7) / 2)


def test_history_keeps_all_until_full_then_gives_old_ones_back() -> None:
    history = History(4, (1, 1, 1))
    generator = torch.Generator().manual_seed(0)
    first = torch.arange(4.0).view(4, 1, 1, 1)
    assert torch.equal(history.exchange(first, generator), first)
    later = torch.arange(4.0, 204.0).view(200, 1, 1, 1)
    shown = history.exchange(later, generator)
    new = shown == later
    assert 70 < int(new.sum()) < 130
    old = shown[~new]
    assert len(old.unique()) == len(old), "an image that was given back must have left the history"
    seen = {*shown.flatten().tolist(), *history.images.flatten().tolist()}
    assert seen == set(range(204)), "nothing is lost: shown or still kept"


def test_history_of_nothing_shows_the_newest() -> None:
    made = torch.rand(3, 1, 2, 2)
    assert torch.equal(History(0, (1, 2, 2)).exchange(made, torch.Generator()), made)
