"""The way back to the pixels: same gradient whichever library computes it, and the switch is as it was afterwards."""

from __future__ import annotations

import pytest
import torch

from pipeline.attacks.backward import has_small_convolutions, pixel_gradient
from pipeline.attacks.deepfool import deepfool
from pipeline.models.registry import build_model


@pytest.mark.parametrize(("name", "small"), [("lenet5", True), ("convnet", False), ("vgg8", False)])
def test_small_convolutions_are_told_from_wide_ones(name: str, small: bool) -> None:
    assert has_small_convolutions(build_model(name, classes=10, channels=1, image_size=28, seed=0)) is small


def test_a_model_without_convolutions_has_no_small_ones() -> None:
    assert not has_small_convolutions(torch.nn.Linear(4, 2))


@pytest.mark.parametrize(("name", "threads"), [("lenet5", 1), ("vgg8", 2)])
def test_attacks_on_small_convolutions_take_one_thread(name: str, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        model, seen = build_model(name, classes=10, channels=1, image_size=28, seed=0).eval(), set[int]()
        model.register_forward_hook(lambda *_: seen.add(torch.get_num_threads()))
        deepfool(model, torch.rand(2, 1, 28, 28), chunk=2, max_iterations=1)
        assert (seen, torch.get_num_threads()) == ({threads}, 2)
    finally:
        torch.set_num_threads(before)


def test_the_gradient_is_the_same_and_the_switch_is_put_back() -> None:
    model = build_model("lenet5", classes=10, channels=1, image_size=28, seed=0).eval()
    pixels = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0)).requires_grad_()
    seen: list[tuple[bool, int]] = []
    threads = torch.get_num_threads()
    plain = torch.autograd.grad(model(pixels)[:, 0].sum(), pixels)[0]
    before = torch.backends.mkldnn.is_available() and torch._C._get_mkldnn_enabled()
    sums = model(pixels)[:, 0].sum()
    sums.register_hook(lambda _: seen.append((torch._C._get_mkldnn_enabled(), torch.get_num_threads())))
    quick = pixel_gradient(model, sums, pixels)
    assert seen == [(False, 1)]
    assert (torch._C._get_mkldnn_enabled(), torch.get_num_threads()) == (before, threads)
    assert torch.allclose(plain, quick, rtol=1e-4, atol=1e-7)
