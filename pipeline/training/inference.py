"""Logits of a pool, streamed, and the device that they are computed on."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.data.pool import ImagePool
from pipeline.data.transforms import to_float
from pipeline.models.state import borrowed, device_and_type

_log = logging.getLogger(__name__)


@functools.cache
def choose_device() -> torch.device:
    """Return the GPU when there is one, else the CPU; the fall back is said once, in the log."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    _log.warning("No GPU was found: training and ranking run on the CPU, with %d threads.", torch.get_num_threads())
    return torch.device("cpu")


def inference_batch(images: tuple[int, ...], device: torch.device) -> int:
    """Return a batch size for a forward pass over images of shape (C, S, S).

    On a CPU a batch whose maps stay in its cache is fastest (measured: lenet5 at 28 x 28, 256); a GPU wants more.

    >>> inference_batch((1, 28, 28), torch.device("cpu"))
    256
    >>> inference_batch((3, 224, 224), torch.device("cpu"))
    16
    """
    pixels = max(1, int(np.prod(images)))
    most, budget = (4096, 1 << 25) if device.type == "cuda" else (256, 1 << 18)
    return int(min(most, max(16, budget // pixels)))


def iterate_logits(
    model: nn.Module, pool: ImagePool, *, batch_size: int | None = None
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Yield (ids (B,), logits (B, K) on the model's device), holding one batch of the pool at a time.

    The model runs in eval mode, where its parameters lie, and is handed back as it was.
    """
    device, dtype = device_and_type(model)
    if len(pool) == 0:
        return
    size = batch_size or inference_batch(tuple(pool.take(pool.ids[:1]).shape[1:]), device)
    for ids, images in pool.batches(size):
        with borrowed(model), torch.inference_mode():
            logits = model(to_float(images.to(device), dtype))  # (B, K)
        yield ids, logits


def predict_logits(
    model: nn.Module, pool: ImagePool, *, device: torch.device, batch_size: int | None = None
) -> tuple[NDArray[np.int64], Tensor]:
    """Return the logits of a whole pool.

    Args:
        model: Is moved to `device`, otherwise left as it is found.
        pool: The images; streamed, never held.
        device: Where to compute.
        batch_size: Images a forward pass; None lets the image size decide.

    Returns:
        ids (N,) in the pool's order, and float32 logits (N, K) on the CPU.
    """
    model.to(device)
    ids, logits = [], []
    for some_ids, some in iterate_logits(model, pool, batch_size=batch_size):
        ids.append(some_ids)
        logits.append(some.float().cpu())
    if not ids:
        return np.empty(0, dtype=np.int64), torch.empty(0, 0)
    return np.concatenate(ids), torch.cat(logits)


def accuracy(logits: Tensor, targets: Tensor) -> float:
    """Return the share of right predictions.

    Args:
        logits: (N, K).
        targets: int64 (N,), class positions.

    >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))
    0.5
    """
    return float((logits.argmax(dim=1).cpu() == targets.cpu()).double().mean())
