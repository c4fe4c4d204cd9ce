"""Borrow a model and give it back as it was: mode, gradients, buffers, switches and the global random state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import nn


@contextmanager
def private_randomness() -> Iterator[None]:
    """Let the code inside seed and draw from torch's global generators; afterwards they are as before."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        yield


def seed_global(seed: int) -> None:
    """Seed torch's global generators: `torch.manual_seed` without the stack trace it keeps for a GPU not in use yet.

    The trace takes a millisecond a call and its memory is never freed; a training seeds each step.
    """
    if cast(Any, torch.cuda).is_initialized():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


@contextmanager
def borrowed(model: nn.Module) -> Iterator[nn.Module]:
    """Lend a model in eval mode with its parameters closed to gradients, in full precision; restore everything after.

    Eval mode means no dropout and no BatchNorm update. Autocast and TF32 are off, for distances and logit gaps need all
    of float32. Gradients that parameters hold are not touched.
    """
    modes = [(module, module.training) for module in model.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    device = next((parameter.device.type for parameter in model.parameters()), "cpu")
    try:
        model.eval()
        for parameter, _ in flags:
            parameter.requires_grad_(False)
        with private_randomness(), torch.autocast(device, enabled=False), _full_float32(device):
            yield model
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


@contextmanager
def _full_float32(device: str) -> Iterator[None]:
    if device != "cuda":
        yield
        return
    switches: tuple[Any, ...] = (torch.backends.cuda.matmul, cast(Any, torch.backends.cudnn).conv)
    before = [switch.fp32_precision for switch in switches]
    try:
        for switch in switches:
            switch.fp32_precision = "ieee"
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.fp32_precision = value


def device_and_type(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Return where a model's parameters lie and their float type; CPU and float32 for a model without any."""
    for parameter in model.parameters():
        return parameter.device, parameter.dtype
    return torch.device("cpu"), torch.float32
