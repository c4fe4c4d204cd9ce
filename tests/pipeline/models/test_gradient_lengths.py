from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pipeline.models.gradient_lengths import gradient_lengths
from tests.pipeline.toys import linear, stripes, trained


class Twice(nn.Module):
    """Uses one layer twice, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.last = nn.Linear(256, 256), nn.Linear(256, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(torch.relu_(self.layer(torch.relu_(self.layer(images.flatten(1))))))


class Tokens(nn.Module):
    """Rows as tokens, a layer over each, without bias, and a ReLU in place."""

    def __init__(self) -> None:
        super().__init__()
        self.row, self.last = nn.Linear(16, 5, bias=False), nn.Linear(5, 4)
        self.act = nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.act(self.row(images[:, 0])).mean(dim=1))


def slow(model: nn.Module, image: Tensor, mix: Tensor) -> float:
    slopes = torch.autograd.grad((model(image[None])[0] * mix).sum(), list(model.parameters()))
    return float(sum((slope.double() ** 2).sum() for slope in slopes) ** 0.5)


@pytest.mark.parametrize("name", ["lenet5", "convnet", "linear", "tokens", "twice", "grouped"])
def test_lengths_equal_one_gradient_at_a_time(name: str) -> None:
    torch.manual_seed(0)
    made: dict[str, nn.Module] = {
        "linear": linear(4, 256),
        "tokens": Tokens().double(),
        "twice": Twice().double(),
        "grouped": nn.Sequential(
            nn.Conv2d(1, 4, 3, groups=1, dilation=2, stride=2), nn.ReLU(inplace=True),
            nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.LazyLinear(3),
        ).double(),
    }  # fmt: skip
    model = (made[name] if name in made else trained(name).double()).eval()
    images = stripes(6, seed=4).images.double() / 255
    mixes = torch.randn(6, 3, model(images).shape[1], dtype=torch.float64)
    found = gradient_lengths(model, images, mixes)
    assert found.shape == (6, 3)
    for row, image in enumerate(images):
        for place in range(3):
            assert float(found[row, place].detach()) == pytest.approx(slow(model, image, mixes[row, place]), rel=1e-9)
    model.float()
