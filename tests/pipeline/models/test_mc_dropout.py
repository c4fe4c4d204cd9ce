from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import ModelError
from pipeline.models.mc_dropout import DropoutDraws
from tests.pipeline.toys import linear, stripes, trained


class Skip(nn.Module):
    """A skip connection around the only dropout layer: draws and images cannot meet in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.drop, self.last = nn.Linear(256, 8), nn.Dropout(0.5), nn.Linear(8, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images.flatten(1))
        return torch.as_tensor(self.last(x + self.drop(x)))


def images(count: int) -> Tensor:
    return stripes(count, seed=8).images.double() / 255


@pytest.mark.parametrize("name", ["lenet5", "convnet"])
def test_draws_are_one_network_for_all_images_whatever_the_batch(name: str) -> None:
    model = trained(name).double()
    with torch.no_grad():
        whole = DropoutDraws(model, 6, seed=3).log_probabilities(images(9))
        more = DropoutDraws(model, 11, seed=3)
        parts = torch.cat([more.log_probabilities(part) for part in torch.split(images(9), 4)], dim=1)
    assert whole.shape == (6, 9, 4)
    assert torch.allclose(whole, parts[:6], atol=1e-12)  # draw s is the same for any number of draws
    assert torch.allclose(whole.exp().sum(dim=2), torch.ones(6, 9, dtype=torch.float64))
    assert (whole.std(dim=0) > 0).all()
    model.float()


def test_layers_before_the_first_dropout_are_computed_once() -> None:
    model, seen = trained("lenet5"), []
    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    handles = [layer.register_forward_hook(lambda _m, given, _o: seen.append(len(given[0]))) for layer in convolutions]
    try:
        with torch.no_grad():
            DropoutDraws(model, 10, seed=0).log_probabilities(images(5).float())
    finally:
        for handle in handles:
            handle.remove()
    assert seen == [5, 50, 50]


def test_dropout_keeps_its_share_and_its_mean() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.25), nn.Linear(256, 2, bias=False)).double().eval()
    with torch.no_grad():
        model[2].weight.fill_(1.0)
        model[2].weight[1] = 0.0
        found = DropoutDraws(model, 400, seed=1).log_probabilities(torch.full((1, 1, 16, 16), 1 / 256).double())
    odds = found[:, 0, 0] - found[:, 0, 1]  # the first logit: kept pixels, scaled up
    assert float(odds.mean()) == pytest.approx(1.0, abs=0.01)
    assert float(odds.std()) == pytest.approx((0.25 / 0.75 / 256) ** 0.5, rel=0.15)


def test_whole_channels_drop_together() -> None:
    model = nn.Sequential(nn.Dropout2d(0.5), nn.Flatten(), nn.Linear(3 * 16, 2, bias=False)).double().eval()
    with torch.no_grad():
        model[2].weight.fill_(1.0)
        model[2].weight[1] = 0.0
        found = DropoutDraws(model, 50, seed=1).log_probabilities(torch.ones(2, 3, 4, 4).double())
    odds = (found[:, 0, 0] - found[:, 0, 1]).round(decimals=6)
    assert set(odds.tolist()) == {0.0, 32.0, 64.0, 96.0}


def test_a_skip_connection_around_dropout_works() -> None:
    model = Skip().double().eval()
    with torch.no_grad():
        several = DropoutDraws(model, 5, seed=2).log_probabilities(images(4))
        single = [DropoutDraws(model, 5, seed=2).log_probabilities(image[None]) for image in images(4)]
    assert torch.allclose(several, torch.cat(single, dim=1))
    assert (several.std(dim=0) > 0).all()


def test_batchnorm_and_mode_stay_as_they_were() -> None:
    model = trained("convnet")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        DropoutDraws(model, 3, seed=0).log_probabilities(images(6).float())
        plain = model(images(6).float())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(module.training for module in model.modules())
    assert torch.equal(plain, trained("convnet")(images(6).float()))  # no hook is left behind


def test_a_model_without_dropout_is_an_error() -> None:
    with pytest.raises(ModelError, match="expected a model with dropout layers"):
        DropoutDraws(linear(3, 4), 5, seed=0)
    with pytest.raises(ModelError, match="without any"):
        DropoutDraws(nn.Sequential(nn.Flatten(), nn.Dropout(0.0), nn.Linear(4, 2)), 5, seed=0)
