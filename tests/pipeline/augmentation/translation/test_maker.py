from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from pipeline.augmentation.drawing import draw
from pipeline.augmentation.records import ImageMaker
from pipeline.augmentation.translation import TranslationMaker, ids_of, load_maker, save_maker, train_translation
from pipeline.errors import DataError, FileDamaged, ModelError
from pipeline.models.registry import build_model
from pipeline.models.store import save_model
from pipeline.training.labeled import LabeledImages
from tests.pipeline.augmentation.translation.pairs import TINY, of_class
from tests.pipeline.toys import CPU


@cache
def maker() -> TranslationMaker:
    return train_translation(TINY, of_class(0, 9), of_class(3, 5), seed=1, device=CPU)[0]


def test_it_makes_images_by_seed() -> None:
    made: ImageMaker = maker()
    images = made.make(3, 7, seed=4)
    assert (images.shape, images.dtype) == ((7, 1, 16, 16), torch.uint8)
    assert torch.equal(images, made.make(3, 7, seed=4))
    assert not torch.equal(images, made.make(3, 7, seed=5))
    assert made.make(3, 0, seed=0).shape == (0, 1, 16, 16)


def test_no_common_image_twice_while_there_are_enough_and_then_changed() -> None:
    assert sorted(maker().sources(9, seed=3).tolist()) == sorted(maker().common.ids.tolist())
    pixels, ids = draw(maker().common, 18, 3)
    assert sorted(ids[9:].tolist()) == sorted(ids[:9].tolist())
    assert len({image.numpy().tobytes() for image in pixels}) == 18
    made = maker().make(3, 18, seed=3)
    assert len({image.numpy().tobytes() for image in made}) == 18


def test_it_translates_what_it_says_it_draws() -> None:
    ids = maker().sources(4, seed=3).tolist()
    rows = [maker().common.ids.tolist().index(sample) for sample in ids]
    with torch.inference_mode():
        signed = maker().translator(maker().common.images[rows].float() / 255 * 2 - 1)
    assert torch.equal(maker().make(3, 4, seed=3), ((signed + 1) / 2 * 255).round().to(torch.uint8))


def test_another_class_or_no_images_are_refused() -> None:
    with pytest.raises(ModelError, match="expected class 3, got 0"):
        maker().make(0, 1, seed=0)
    none = LabeledImages(maker().common.images[:0], maker().common.targets[:0], maker().common.ids[:0])
    with pytest.raises(ModelError, match="got none"):
        replace(maker(), common=none).make(3, 1, seed=0)


def test_saved_and_loaded_it_makes_the_same(tmp_path: Path) -> None:
    record = save_maker(maker(), tmp_path / "maker", {"recipe": repr(TINY)})
    assert save_maker(maker(), tmp_path / "again", {"recipe": repr(TINY)}).sha256 == record.sha256
    assert torch.equal(ids_of(record.path, record.sha256), maker().common.ids)
    more = of_class(0, 14)
    shuffled = torch.randperm(14, generator=torch.Generator().manual_seed(0))
    given = LabeledImages(more.images[shuffled], more.targets[shuffled], more.ids[shuffled])
    loaded, metadata = load_maker(record.path, record.sha256, given)
    assert metadata == {"recipe": repr(TINY)}
    assert (loaded.source, loaded.target) == (0, 3)
    assert torch.equal(loaded.make(3, 12, seed=2), maker().make(3, 12, seed=2))


def test_the_file_holds_images_only_when_asked(tmp_path: Path) -> None:
    without = save_maker(maker(), tmp_path / "without", {})
    record = save_maker(maker(), tmp_path / "with", {}, keep_images=True)
    assert record.size - without.size >= maker().common.images.numel()
    loaded, _ = load_maker(record.path, record.sha256)
    assert torch.equal(loaded.make(3, 12, seed=2), maker().make(3, 12, seed=2))
    with pytest.raises(DataError, match="got none"):
        load_maker(without.path, without.sha256)


def test_other_images_than_it_was_saved_with_are_refused(tmp_path: Path) -> None:
    record = save_maker(maker(), tmp_path / "maker", {})
    common = maker().common
    with pytest.raises(DataError, match="other pixels"):
        load_maker(record.path, record.sha256, replace(common, images=255 - common.images))
    missing = LabeledImages(common.images[1:], common.targets[1:], common.ids[1:])
    with pytest.raises(DataError, match=f"got none of sample {int(common.ids[0])}"):
        load_maker(record.path, record.sha256, missing)
    twice = LabeledImages(*(torch.cat([part, part[:1]]) for part in (common.images, common.targets, common.ids)))
    with pytest.raises(DataError, match="twice"):
        load_maker(record.path, record.sha256, twice)


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    record = save_maker(maker(), tmp_path / "maker", {}, keep_images=True)
    data = bytearray(record.path.read_bytes())
    data[-1] ^= 1
    record.path.write_bytes(data)
    with pytest.raises(FileDamaged):
        load_maker(record.path, record.sha256)
    model = build_model("lenet5", classes=4, channels=1, image_size=16, seed=0)
    classifier = save_model(model, tmp_path / "classifier", {})
    with pytest.raises(ModelError, match="a translation of Borderline"):
        load_maker(classifier.path, classifier.sha256)
