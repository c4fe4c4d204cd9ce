"""A step on a GPU recorded once as a CUDA graph and replayed: one launch instead of some hundred."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_WARM_UP = 3  # steps run as they are before the recording, as PyTorch's notes on CUDA graphs ask


class Replayed:
    """A function of tensors that changes tensors in place and returns nothing, recorded at its fourth call.

    Not run on a GPU so far.

    Args:
        work: Takes tensors whose shapes stay, synchronizes nothing, and changes only tensors that stay where they are.
    """

    def __init__(self, work: Callable[[list[Tensor]], None]) -> None:
        self.work, self.calls = work, 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: list[Tensor] = []

    def __call__(self, inputs: list[Tensor]) -> None:
        """Do the work on these inputs."""
        self.calls += 1
        if self.calls <= _WARM_UP:
            self._aside(inputs)
            return
        if self.graph is None:
            self.inputs = [values.clone() for values in inputs]
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.work(self.inputs)
        for kept, values in zip(self.inputs, inputs, strict=True):
            kept.copy_(values)
        self.graph.replay()

    def _aside(self, inputs: list[Tensor]) -> None:
        side: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        here = torch.cuda.current_stream()
        side.wait_stream(here)
        with torch.cuda.stream(side):
            self.work(inputs)
        here.wait_stream(side)
