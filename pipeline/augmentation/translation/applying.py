"""Translates images with a trained generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.data.transforms import to_float
from pipeline.models.state import borrowed, device_and_type
from pipeline.training.inference import inference_batch

_SHARE = 4  # a generator keeps many more maps at full size than a classifier does


def translate(translator: nn.Module, images: Tensor) -> Tensor:
    """Return the translations, uint8 (N, C, S, S) on the CPU.

    Args:
        translator: From float images in [-1, 1] to the same; used where its parameters lie, and left as found.
        images: uint8, or float in [0, 1], (N, C, S, S).
    """
    device, dtype = device_and_type(translator)
    size = max(1, inference_batch(tuple(images.shape[1:]), device) // _SHARE)
    made = []
    with borrowed(translator), torch.inference_mode():
        for batch in torch.split(images, size):
            signed = translator(to_float(batch.to(device), dtype) * 2 - 1)  # (B, C, S, S)
            made.append((((signed.float() + 1) / 2).clamp(0, 1) * 255).round().to(torch.uint8).cpu())
    return torch.cat(made) if made else torch.empty(0, *images.shape[1:], dtype=torch.uint8)
