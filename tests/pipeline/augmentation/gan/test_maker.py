from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.augmentation.gan.maker import GanMaker, load_maker, save_maker
from pipeline.augmentation.gan.memorization import Copies
from pipeline.augmentation.gan.sheet import sheet_of
from pipeline.augmentation.gan.trusted import fit_temperature, trusted_by_class
from pipeline.augmentation.records import ImageMaker
from pipeline.errors import FileDamaged, ModelError, TrainingError
from pipeline.files import atomic_write_bytes
from pipeline.models.registry import build_model
from pipeline.models.store import save_model
from pipeline.training.labeled import LabeledImages
from tests.pipeline.augmentation.gan.toys import TINY, halves, run


@cache
def maker() -> GanMaker:
    return run(replace(TINY, loss="infogan"))[0]


def test_the_same_seed_gives_the_same_images_whatever_is_asked_before() -> None:
    images: ImageMaker = maker()
    first = images.make(1, 5, seed=7)
    torch.rand(9)
    before = torch.random.get_rng_state()
    assert torch.equal(images.make(1, 300, seed=7)[:5], first)  # 300: more than one chunk
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first.dtype == torch.uint8
    assert first.shape == (5, 1, 16, 16)
    assert images.make(0, 0, seed=7).shape == (0, 1, 16, 16)
    assert not torch.equal(images.make(1, 5, seed=8), first)
    assert len(images.make(1, 300, seed=7).unique(dim=0)) > 200


def test_a_class_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match="from 0 to 2"):
        maker().make(2, 1, seed=0)


def test_what_is_saved_draws_the_same(tmp_path: Path) -> None:
    path = tmp_path / "maker.safetensors"
    record = save_maker(maker(), path, {"project": "digits"})
    loaded, metadata = load_maker(path, record.sha256)
    assert torch.equal(loaded.make(1, 5, seed=7), maker().make(1, 5, seed=7))
    assert loaded.recipe == maker().recipe
    assert metadata["project"] == "digits"
    assert metadata["recipe"] == repr(maker().recipe)
    assert metadata["torch"] == torch.__version__
    assert save_maker(loaded, tmp_path / "again", {"project": "digits"}).sha256 == record.sha256


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "maker.safetensors"
    record = save_maker(maker(), path, {})
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(FileDamaged, match="changed or damaged"):
        load_maker(path, record.sha256)
    model = build_model("lenet5", classes=2, channels=1, image_size=16, seed=0)
    other = save_model(model, tmp_path / "model.safetensors", {})
    with pytest.raises(ModelError, match="generator"):
        load_maker(other.path, other.sha256)
    text = atomic_write_bytes(tmp_path / "text", b"not a generator")
    with pytest.raises(ModelError, match="generator"):
        load_maker(text.path, text.sha256)


def labeled_as(images: Tensor, target: int) -> LabeledImages:
    return LabeledImages(images, torch.full((len(images),), target), torch.arange(len(images)))


def test_copies_of_training_images_are_not_handed_out() -> None:
    drawn = maker().make(1, 40, seed=0)
    careful = maker().without_copies(labeled_as(drawn[:20], 1), least_distance=0.0)
    assert torch.equal(careful.make(1, 20, seed=0), drawn[20:])
    assert torch.equal(careful.make(0, 20, seed=0), maker().make(0, 20, seed=0))  # another class's images are not its


def test_the_usual_distance_is_that_of_real_neighbors() -> None:
    real = halves(400, seed=3)
    copies = Copies.of(real, 2)
    assert copies.among(real.images[real.targets == 0], 0).all()
    others = halves(400, seed=4)
    assert copies.among(others.images[others.targets == 0], 0).double().mean() < 0.05


def test_a_generator_that_only_copies_says_so() -> None:
    with pytest.raises(ModelError, match="by heart"):
        maker().without_copies(halves(4), least_distance=10.0).make(1, 1, seed=0)


def test_rare_classes_are_trusted_by_their_own_measure() -> None:
    generator = torch.Generator().manual_seed(0)
    sure, unsure = torch.randn(500, generator=generator) * 0.5 + 6, torch.rand(20, generator=generator) + 0.5
    logits = torch.zeros(520, 2)
    logits[:500, 0], logits[500:, 1] = sure, unsure
    places, classes = trusted_by_class(logits)
    confidence = logits.softmax(dim=1).amax(dim=1)
    assert (confidence[500:] < 0.95).all()  # one threshold for all would let none in
    assert (classes == 1).sum() == 10
    assert (classes == 0).sum() == 250
    assert confidence[places][classes == 1].min() >= confidence[500:].median()
    assert torch.equal(places, places.sort().values)


def test_the_unsure_are_not_trusted_whatever_their_class() -> None:
    logits = torch.tensor([[0.1, 0.0, 0.0], [0.2, 0.0, 0.0]])
    assert len(trusted_by_class(logits, quantile=0.0)[0]) == 0
    assert len(trusted_by_class(logits, quantile=0.0, least=0.0)[0]) == 2
    with pytest.raises(TrainingError, match="finite"):
        trusted_by_class(torch.tensor([[float("nan"), 0.0]]))


def test_a_temperature_calibrates_overconfidence() -> None:
    logits = torch.tensor([[8.0, 0.0]] * 10)
    targets = torch.tensor([0] * 9 + [1])
    temperature = fit_temperature(logits, targets)
    assert (logits / temperature).softmax(dim=1)[0, 0].item() == pytest.approx(0.9, abs=0.005)
    assert len(trusted_by_class(logits, quantile=0.0, least=0.95)[0]) == 10
    assert len(trusted_by_class(logits, quantile=0.0, least=0.95, temperature=temperature)[0]) == 0


def test_a_sheet_shows_each_image_in_its_place() -> None:
    rows = [torch.full((3, 3, 4, 4), 10, dtype=torch.uint8), torch.full((1, 3, 4, 4), 20, dtype=torch.uint8)]
    sheet = sheet_of(rows)
    assert sheet.shape == (3, 14, 20)
    assert (sheet[:, 2:6, 14:18] == 10).all()
    assert (sheet[:, 8:12, 2:6] == 20).all()
    assert (sheet[:, 8:12, 8:] == 128).all()
