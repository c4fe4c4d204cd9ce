from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.augmentation.gan.diff_augment import diff_augment
from pipeline.augmentation.gan.discriminators import build_discriminator, minibatch_deviation
from pipeline.augmentation.gan.networks import Generator, Shape, draw_noise, refresh_statistics
from pipeline.augmentation.gan.recipe import GanRecipe
from pipeline.errors import TrainingError

RECIPE = GanRecipe(width=4, latent=4)


def shape(side: int = 16, channels: int = 1) -> Shape:
    return Shape(classes=3, channels=channels, side=side)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [28, 29, 31, 32, 33, 45, 50, 63, 64, 65, 100, 127, 128])
def test_every_side_is_exact(side: int, channels: int) -> None:
    images = Generator(shape(side, channels), RECIPE)(torch.randn(2, 4), torch.tensor([0, 2]))
    assert images.shape == (2, channels, side, side)
    assert images.abs().max() <= 1
    for loss in ("hinge", "began"):
        network = build_discriminator(shape(side, channels), GanRecipe(loss=loss, width=4))
        assert network.free(network.body(images), images).shape == (2,)


@pytest.mark.parametrize("side", [8, 129])
def test_other_sides_are_refused(side: int) -> None:
    with pytest.raises(TrainingError, match="16 to 128"):
        shape(side)


def test_without_condition_all_classes_are_one() -> None:
    generator = Generator(shape(), RECIPE).eval()
    noise = torch.randn(1, 4).expand(3, 4)
    images = generator(noise, torch.arange(3), 0.0)
    assert torch.equal(images[0], images[2])
    assert not torch.equal(generator(noise, torch.arange(3))[0], generator(noise, torch.arange(3))[2])


@pytest.mark.parametrize("by", ["projection", "concatenation"])
def test_a_class_changes_the_class_score_and_not_the_free_one(by: str) -> None:
    network = build_discriminator(shape(), GanRecipe(width=4, conditioning=by))
    features = network.body(torch.rand(1, 1, 16, 16))
    assert network.of_class(features, torch.tensor([0])) != network.of_class(features, torch.tensor([1]))


def test_the_discriminator_has_spectral_norms_of_one_and_no_batch_norm() -> None:
    network = build_discriminator(shape(28), RECIPE)
    for _ in range(60):
        network.body(torch.rand(2, 1, 28, 28))
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    norms = [torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2).item() for layer in layers]
    assert norms == pytest.approx([1.0] * len(layers), rel=0.02)
    for loss in ("hinge", "wgan_gp", "ebgan"):
        modules = build_discriminator(shape(), GanRecipe(loss=loss, width=4)).modules()
        assert not any(isinstance(module, nn.BatchNorm2d) for module in modules)


def test_minibatch_deviation_tells_equal_images_from_varied_ones() -> None:
    maps = torch.rand(4, 3, 2, 2)
    assert minibatch_deviation(maps[:1].expand(4, 3, 2, 2)).max() < 1e-3
    assert minibatch_deviation(maps).min() > 0.1
    network = build_discriminator(shape(), GanRecipe(width=4, minibatch_deviation=True))
    image = torch.rand(1, 1, 16, 16)
    alone, in_company = network.body(image), network.body(torch.cat([image, torch.rand(3, 1, 16, 16)]))
    assert not torch.allclose(alone[0], in_company[0], atol=1e-4)


def test_refreshed_statistics_fit_the_weights_as_they_are() -> None:
    generator = Generator(shape(), RECIPE)
    refresh_statistics(generator, torch.arange(3), coded=False, condition=1.0, seed=0)
    assert not generator.training
    norm = generator.body[0]
    assert isinstance(norm, nn.BatchNorm2d)
    noise, targets = torch.randn(600, 4), torch.arange(600) % 3
    start = generator.start(torch.cat([noise, generator.embedding(targets)], dim=1)[:, :, None, None])
    assert torch.allclose(norm.running_var, start.var(dim=(0, 2, 3)), rtol=0.2)
    assert norm.momentum == 0.1


def test_infogans_codes_are_uniform_at_the_end_of_the_noise() -> None:
    noise = draw_noise(500, 6, coded=True, generator=torch.Generator().manual_seed(0))
    assert noise[:, -2:].abs().max() <= 1
    assert noise[:, :-2].abs().max() > 1.5


CHANGES = ("color", "translation", "cutout")


@pytest.mark.parametrize("change", CHANGES)
def test_gradients_flow_through_each_change(change: str) -> None:
    images = torch.rand(4, 3, 16, 16, requires_grad=True)
    changed = diff_augment(images, (change,), torch.Generator().manual_seed(0))
    weights = torch.rand(changed.shape)
    (slopes,) = torch.autograd.grad((changed * weights).sum(), images)
    step = 1e-2 * slopes
    again = diff_augment(images + step, (change,), torch.Generator().manual_seed(0))
    gain = ((again - changed) * weights).sum()
    assert gain.item() == pytest.approx((step * slopes).sum().item(), rel=1e-3)  # all three are linear in the pixels
    assert slopes.abs().sum() > 0


@pytest.mark.parametrize("change", CHANGES)
def test_each_image_gets_its_own_change_from_the_generator_alone(change: str) -> None:
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)).expand(8, 3, 16, 16)
    first = diff_augment(images, (change,), torch.Generator().manual_seed(0))
    torch.rand(3)
    assert torch.equal(first, diff_augment(images, (change,), torch.Generator().manual_seed(0)))
    assert len({image.sum().item() for image in first}) > 3


def test_nothing_is_ever_flipped() -> None:
    ramp = torch.arange(16.0).expand(64, 3, 16, 16) / 16  # brighter to the right and to the bottom
    image = (ramp + ramp.transpose(2, 3)) / 2
    moved = diff_augment(image, ("color", "translation"), torch.Generator().manual_seed(0))
    assert (moved.diff(dim=3) >= -1e-6).all()
    assert (moved.diff(dim=2) >= -1e-6).all()


def test_gray_images_keep_their_brightness() -> None:
    assert GanRecipe().changes_for(1) == ("translation", "cutout")
    assert GanRecipe(changes=("color", "cutout")).changes_for(1) == ("cutout",)
    assert GanRecipe().changes_for(3) == CHANGES
