from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from pipeline.data.pool import ImagePool
from pipeline.training import inference
from pipeline.training.inference import accuracy, choose_device, predict_logits
from tests.pipeline.toys import CPU, stripes, trained


def test_logits_of_a_pool_in_its_order() -> None:
    model, images = trained("convnet"), stripes(50, seed=8)
    pool = ImagePool.from_tensor(images.images, images.ids.numpy())
    ids, logits = predict_logits(model, pool, device=CPU, batch_size=7)
    with torch.inference_mode():
        expected = model(images.images.float() / 255)
    assert np.array_equal(ids, images.ids.numpy())
    assert logits.dtype == torch.float32
    assert torch.allclose(logits, expected, atol=1e-5)


def test_the_model_is_left_in_its_mode_with_its_buffers() -> None:
    model, images = trained("convnet"), stripes(20)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    model.train()
    try:
        predict_logits(model, ImagePool.from_tensor(images.images), device=CPU)
        assert model.training
        assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    finally:
        model.eval()


def test_the_pool_is_never_held(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    model = trained("lenet5")
    with model.register_forward_hook(lambda _m, inputs, _o: sizes.append(len(inputs[0]))):
        predict_logits(model, ImagePool.from_tensor(stripes(1000).images), device=CPU)
    assert max(sizes) <= 256
    assert sum(sizes) == 1000


def test_an_empty_pool_has_no_logits() -> None:
    ids, logits = predict_logits(trained("lenet5"), ImagePool.from_tensor(stripes(3).images).subset([]), device=CPU)
    assert len(ids) == len(logits) == 0


def test_accuracy() -> None:
    assert accuracy(torch.eye(4), torch.tensor([0, 1, 2, 0])) == 0.75


def test_the_fall_back_to_the_cpu_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    choose_device.cache_clear()
    with caplog.at_level(logging.WARNING, logger=inference.__name__):
        assert choose_device() == choose_device() == CPU
    assert len(caplog.records) == 1
    choose_device.cache_clear()
