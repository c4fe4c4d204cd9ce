"""Attacks on networks of small convolutions: the way back to the pixels without oneDNN, and all of it on one thread.

Measured on a CPU, one thread: without oneDNN lenet5's way back takes 1 instead of 11 ms for 16 images and 29 instead of
53 ms for 128; that of vgg8, whose layers are wide, four times as long. Forward passes and training are faster with it.
Steps of so few numbers wait longer for a second thread than it would save: with two, a search of 6 s took 20.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

_SMALL = 4096  # weights of a convolution: lenet5's largest has 2,400, convnet's 82,944


def pixel_gradient(model: nn.Module, sums: Tensor, pixels: Tensor, *, keep_graph: bool = False) -> Tensor:
    """Return the gradient (B, C, H, W) of a scalar that a model's outputs were summed up to, by the model's input."""
    small = pixels.device.type == "cpu" and has_small_convolutions(model)
    with on_one_thread(switch=small), _without_onednn(switch=small):
        return torch.autograd.grad(sums, pixels, retain_graph=keep_graph)[0]


def has_small_convolutions(model: nn.Module) -> bool:
    """Tell whether a model has convolutions, and all of them have few weights."""
    sizes = [layer.weight.numel() for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    return 0 < max(sizes, default=0) <= _SMALL


@contextmanager
def on_one_thread(*, switch: bool) -> Iterator[None]:
    """Let torch compute on the calling thread alone, if asked to."""
    before = torch.get_num_threads()
    if not switch or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _without_onednn(*, switch: bool) -> Iterator[None]:
    if not switch:
        yield
        return
    onednn = cast(Any, torch.backends.mkldnn)  # its functions have no types
    before = onednn.set_flags(_enabled=False, _fp32_precision=None)[0]
    try:
        yield
    finally:
        onednn.set_flags(_enabled=before, _fp32_precision=None)
