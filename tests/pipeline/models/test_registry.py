from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models as zoo

from pipeline.errors import ModelError
from pipeline.models.registry import build_model

HERE = "tests.pipeline.models.test_registry"


class TwoLinears(nn.Module):
    def __init__(self, classes: int, channels: int, image_size: int) -> None:
        super().__init__()
        self.first = nn.Linear(channels * image_size**2, 7)
        self.last = nn.Linear(7, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(self.first(images.flatten(1))))


class SoftmaxAtTheEnd(TwoLinears):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images).softmax(dim=1)


class OneClassTooMany(TwoLinears):
    def __init__(self, classes: int, channels: int, image_size: int) -> None:
        super().__init__(classes + 1, channels, image_size)


class InTwoParts(SoftmaxAtTheEnd):
    def features(self, images: torch.Tensor) -> torch.Tensor:
        return self.first(images.flatten(1))

    def head(self, features: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(features)).softmax(dim=1)


def test_vgg8_and_lenet5_have_the_published_number_of_parameters() -> None:
    def count(name: str) -> int:
        model = build_model(name, classes=10, channels=1, image_size=28, seed=0)
        return sum(parameter.numel() for parameter in model.parameters())

    assert count("vgg8") == 6_641_930
    convolutions = (6 * 25 + 6) + (16 * 6 * 25 + 16) + (120 * 16 + 120)
    assert count("lenet5") == convolutions + (84 * 120 * 16 + 84) + (10 * 84 + 10) + (10 * 10 + 10)


def test_lenet5_has_the_layers_of_the_authors() -> None:
    model = build_model("lenet5", classes=10, channels=1, image_size=28, seed=0)
    dropouts = [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)]
    kernels = [layer.kernel_size for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert dropouts == [0.25, 0.25, 0.5]
    assert kernels == [(5, 5), (5, 5), (1, 1)]
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in model.modules())


@pytest.mark.parametrize(
    ("name", "channels", "size"),
    [
        ("lenet5", 1, 16), ("lenet5", 3, 32), ("vgg8", 1, 28), ("convnet", 1, 8), ("convnet", 3, 8), ("convnet", 1, 28),
        ("convnet", 3, 31), ("convnet", 3, 64), ("convnet", 1, 128), ("resnet18", 1, 28), ("mobilenet_v3_small", 3, 40),
        ("efficientnet_b0", 1, 28), ("convnext_tiny", 1, 28), ("vit_b_16", 1, 28), ("vit_b_16", 3, 50),
    ],
)  # fmt: skip
def test_logits_are_the_head_of_the_features(name: str, channels: int, size: int) -> None:
    model = build_model(name, classes=4, channels=channels, image_size=size, seed=0).eval()
    images = torch.rand(3, channels, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = model.features(images)
        logits = model(images)
        assert features.ndim == 2
        assert logits.shape == (3, 4)
        assert torch.equal(model.head(features), logits)
        assert not torch.equal(*model.train()(images[:2]))  # the images reach the end


def test_features_are_what_the_last_linear_layer_reads() -> None:
    for name in ("lenet5", "convnet", "resnet18"):
        model = build_model(name, classes=4, channels=1, image_size=28, seed=0).eval()
        last = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
        images = torch.rand(2, 1, 28, 28)
        assert torch.allclose(last(model.features(images)), model(images), atol=1e-6)


def test_a_seed_gives_one_model_and_leaves_the_global_state_alone() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (
        build_model("convnet", classes=3, channels=1, image_size=16, seed=seed).state_dict() for seed in (1, 1, 2)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("lenet", 28, "did you mean lenet5"),
        ("zzz", 28, "choose one of: convnet"),
        ("lenet5", 12, "16 pixels a side or more"),
        ("convnet", 7, "from 8 to 128"),
        ("convnet", 129, "from 8 to 128"),
        ("no.such.module:thing", 28, "to import"),
        (f"{HERE}:nothing", 28, "to import"),
        (f"{HERE}:OneClassTooMany", 8, r"logits \(2, 3\)"),
        (f"{HERE}:SoftmaxAtTheEnd", 8, "give it features"),
    ],
)
def test_wrong_names_and_sizes_get_one_clear_sentence(name: str, size: int, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        build_model(name, classes=3, channels=1, image_size=size, seed=0)


@pytest.mark.parametrize(("factory", "width"), [("TwoLinears", 7), ("InTwoParts", 7)])
def test_a_network_of_ones_own(factory: str, width: int) -> None:
    model = build_model(f"{HERE}:{factory}", classes=3, channels=1, image_size=8, seed=0).eval()
    images = torch.rand(5, 1, 8, 8)
    assert model.features(images).shape == (5, width)
    assert torch.allclose(model.head(model.features(images)), model(images))


def test_pretrained_weights_from_a_local_file(tmp_path: Path) -> None:
    torch.manual_seed(5)
    source = zoo.resnet18(num_classes=7)
    path = tmp_path / "resnet18.safetensors"
    save_file(source.state_dict(), path)
    model = build_model("resnet18", classes=3, channels=1, image_size=32, seed=0, weights=path)
    loaded = dict(model.body.named_parameters())
    assert torch.equal(loaded["conv1.weight"], source.conv1.weight)
    assert model(torch.rand(2, 1, 32, 32)).shape == (2, 3)


def test_pretrained_positions_of_a_vision_transformer_are_interpolated(tmp_path: Path) -> None:
    path = tmp_path / "vit.safetensors"
    save_file(zoo.vit_b_16(image_size=64, num_classes=5).state_dict(), path)
    model = build_model("vit_b_16", classes=3, channels=1, image_size=40, seed=0, weights=path).eval()
    assert model(torch.rand(2, 1, 40, 40)).shape == (2, 3)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    pickled, other, broken = tmp_path / "a.pth", tmp_path / "other.safetensors", tmp_path / "broken.safetensors"
    pickled.write_bytes(b"x")
    broken.write_bytes(b"x")
    save_file(zoo.mobilenet_v3_small(num_classes=7).state_dict(), other)
    for path, words in ((pickled, "safetensors file"), (other, "missing"), (broken, "readable safetensors")):
        with pytest.raises(ModelError, match=words):
            build_model("resnet18", classes=3, channels=1, image_size=32, seed=0, weights=path)
    with pytest.raises(ModelError, match="from a file"):
        build_model("lenet5", classes=3, channels=1, image_size=28, seed=0, weights="download")


def test_a_download_is_asked_for_its_hash_and_for_plain_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def fetch(url: str, **options: object) -> dict[str, torch.Tensor]:
        asked.update(options, url=url)
        return zoo.resnet18().state_dict()

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fetch)
    build_model("resnet18", classes=3, channels=3, image_size=32, seed=0, weights="download")
    assert asked["check_hash"] is True
    assert asked["weights_only"] is True
    assert str(asked["url"]).startswith("https://download.pytorch.org/")
