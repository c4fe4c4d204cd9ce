from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pipeline.errors import FileDamaged, ModelError
from pipeline.files import sha256_file
from pipeline.models.registry import build_model
from pipeline.models.store import load_model, save_model


@pytest.mark.parametrize("name", ["lenet5", "convnet", "tests.pipeline.models.test_registry:TwoLinears"])
def test_a_saved_model_comes_back_the_same(name: str, tmp_path: Path) -> None:
    model = build_model(name, classes=3, channels=1, image_size=16, seed=4)
    with torch.no_grad():
        model.train()(torch.rand(8, 1, 16, 16))  # BatchNorm's buffers move
    record = save_model(model, tmp_path / "model.safetensors", {"recipe": "r", "seed": "4"})
    loaded, metadata = load_model(record.path, record.sha256)
    images = torch.rand(5, 1, 16, 16)
    assert metadata == {"recipe": "r", "seed": "4"}
    assert not loaded.training
    assert loaded.architecture == model.architecture
    assert torch.equal(loaded(images), model.eval()(images))


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    model = build_model("convnet", classes=3, channels=1, image_size=16, seed=4)
    metadata = {f"key {index}": "x" for index in range(20)}
    first, again = (save_model(model, tmp_path / name, metadata) for name in ("a", "b"))
    assert first.sha256 == again.sha256


def test_a_flipped_byte_is_refused(tmp_path: Path) -> None:
    record = save_model(build_model("lenet5", classes=3, channels=1, image_size=16, seed=0), tmp_path / "m", {})
    data = bytearray(record.path.read_bytes())
    data[len(data) // 2] ^= 1
    record.path.write_bytes(bytes(data))
    with pytest.raises(FileDamaged, match="sha256"):
        load_model(record.path, record.sha256)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileDamaged):
        load_model(tmp_path / "none", "0" * 64)


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="model file of Borderline"):
        load_model(path, sha256_file(path))


def test_a_model_that_could_not_be_built_again_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="build_model"):
        save_model(nn.Linear(2, 2), tmp_path / "m", {})
