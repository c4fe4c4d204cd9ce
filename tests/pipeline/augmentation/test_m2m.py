from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipeline.augmentation.m2m import M2mMaker, M2mRecipe, load_m2m, push_to, save_m2m, unit
from pipeline.augmentation.records import ImageMaker
from pipeline.data.transforms import to_float
from pipeline.errors import DataError, ModelError
from pipeline.models.store import save_model
from tests.pipeline.augmentation.translation.pairs import of_class
from tests.pipeline.toys import trained

STRONG = M2mRecipe(steps=15, step=0.4, confidence=0.8)


def maker(recipe: M2mRecipe = STRONG) -> M2mMaker:
    return M2mMaker(model=trained("convnet"), target=1, common=of_class(0, 12), recipe=recipe)


def test_what_it_makes_is_the_rare_class_to_its_classifier() -> None:
    model = trained("convnet")
    state = {name: value.clone() for name, value in model.state_dict().items()}
    made: ImageMaker = maker()
    images = made.make(1, 10, seed=2)
    assert (images.shape, images.dtype) == ((10, 1, 16, 16), torch.uint8)
    with torch.inference_mode():
        sure = model(to_float(images)).softmax(dim=1)[:, 1]
    assert float(sure.min()) >= 0.8
    assert torch.equal(images, made.make(1, 10, seed=2))
    assert not torch.equal(images, made.make(1, 10, seed=3))
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_each_step_has_its_length_and_pixels_stay_pixels() -> None:
    images = 0.4 + 0.2 * torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    pushed = push_to(trained("convnet"), images, 1, M2mRecipe(steps=1, step=0.05))
    assert (pushed - images).flatten(1).norm(dim=1).tolist() == pytest.approx([0.05] * 5, rel=1e-4)
    far = push_to(trained("convnet"), images, 1, M2mRecipe(steps=20, step=3.0))
    assert 0 <= float(far.min()) <= float(far.max()) <= 1
    assert torch.equal(unit(torch.zeros(1, 1, 2, 2)), torch.zeros(1, 1, 2, 2))


def test_too_short_a_push_is_said_and_not_padded() -> None:
    weak = maker(M2mRecipe(steps=1, step=1e-4, start=0.0, confidence=0.99))
    with pytest.raises(ModelError, match="got 0 after 60 tries"):
        weak.make(1, 3, seed=0)


def test_classes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ModelError, match="expected class 1, got 0"):
        maker().make(0, 1, seed=0)
    with pytest.raises(ModelError, match="below 4"):
        replace(maker(), target=4)
    with pytest.raises(ModelError, match="none of class 0"):
        replace(maker(), target=0)
    with pytest.raises(ModelError, match="steps"):
        M2mRecipe(steps=0)


def test_saved_and_loaded_it_makes_the_same(tmp_path: Path) -> None:
    record = save_m2m(maker(), tmp_path / "maker", {"round": "3"})
    loaded, metadata = load_m2m(record.path, record.sha256, of_class(0, 20))
    assert metadata == {"round": "3"}
    assert torch.equal(loaded.make(1, 6, seed=2), maker().make(1, 6, seed=2))
    common = maker().common
    with pytest.raises(DataError, match="other pixels"):
        load_m2m(record.path, record.sha256, replace(common, images=255 - common.images))
    classifier = save_model(trained("convnet"), tmp_path / "classifier", {})
    with pytest.raises(ModelError, match="got a classifier"):
        load_m2m(classifier.path, classifier.sha256, common)
