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


class Flattened(nn.Module):
    """A layer that sees the rows of all images as one batch."""

    def __init__(self) -> None:
        super().__init__()
        self.row, self.last = nn.Linear(16, 5), nn.Linear(80, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.row(images.reshape(-1, 16)).reshape(len(images), -1))


class Standardized(nn.Conv2d):
    """Uses its weights in another way."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.conv2d(images, self.weight / self.weight.norm(), self.bias)


class Tied(nn.Module):
    """Two layers of one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(256, 256), nn.Linear(256, 256), nn.Linear(256, 3)
        self.second.weight = self.first.weight

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.second(self.first(images.flatten(1)).relu()))


def slow(model: nn.Module, image: Tensor, mix: Tensor) -> float:
    slopes = torch.autograd.grad((model(image[None])[0] * mix).sum(), list(model.parameters()))
    return float(sum((slope.double() ** 2).sum() for slope in slopes) ** 0.5)


@pytest.mark.parametrize(
    "name", ["lenet5", "convnet", "linear", "tokens", "twice", "grouped", "flattened", "standardized", "tied"]
)
def test_lengths_equal_one_gradient_at_a_time(name: str) -> None:
    torch.manual_seed(0)
    made: dict[str, nn.Module] = {
        "linear": linear(4, 256),
        "tokens": Tokens().double(),
        "twice": Twice().double(),
        "flattened": Flattened().double(),
        "standardized": nn.Sequential(Standardized(1, 3, 5), nn.Flatten(), nn.LazyLinear(3)).double(),
        "tied": Tied().double(),
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
