"""How many images an attack works on at a time: as many as are quick, as few as the memory needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

_CPU_BYTES = 1 << 28  # for graphs on a CPU, whatever the machine has: larger batches are no faster there
_GPU_SHARE = 0.4  # of the free memory, for graphs; a backward pass and the images need as much again

T = TypeVar("T")


class Chunks:
    """Does work in chunks, and halves them for good when a GPU's memory is too small.

    Args:
        size: Images at a time, to begin with.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def run(self, work: Callable[[slice], T], count: int) -> list[T]:
        """Return what `work` returns for each slice of `count` images; for none of them, for one empty slice.

        Raises:
            OutOfMemoryError: One image alone is too much.
        """
        parts: list[T] = []
        start = 0
        while start < max(1, count):
            try:
                parts.append(work(slice(start, start + self.size)))
            except torch.OutOfMemoryError:
                if self.size == 1:
                    raise
                self.size = max(1, min(self.size, count) // 2)
                continue
            start += self.size
        return parts


def attack_batch(images: tuple[int, ...], device: torch.device) -> int:
    """Return how many images of shape (C, S, S) to attack at a time: 128 of 28 x 28 on a CPU, more on a GPU."""
    pixels = max(1, images[0] * images[1] * images[2])
    most, budget = (2048, 1 << 23) if device.type == "cuda" else (128, 1 << 19)
    return min(most, max(4, budget // pixels))


def fitting_batch(model: nn.Module, image: Tensor) -> int:
    """Return how many images like this one to attack at a time, so that their graph fits into memory.

    Args:
        model: In eval mode.
        image: Float (1, C, S, S), on the model's device.
    """
    on_gpu = image.device.type == "cuda"
    budget = int(_GPU_SHARE * torch.cuda.mem_get_info(image.device)[0]) if on_gpu else _CPU_BYTES
    return max(1, min(attack_batch(tuple(image.shape[1:]), image.device), budget // max(1, graph_bytes(model, image))))


def graph_bytes(model: nn.Module, images: Tensor) -> int:
    """Return the bytes that a forward pass of images (B, C, S, S) keeps for the backward pass, without parameters."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = model(images.detach().clone().requires_grad_())  # holds the graph, so that no address comes twice
    del logits
    return sum(size for place, size in kept.items() if place not in own)
