"""Layers that must see the whole batch although each process has some of its rows: BatchNorm and dropout.

With them several processes compute what one would: BatchNorm takes its statistics over all rows of all processes, and
dropout draws for the whole batch and keeps this process's rows. torch's own SyncBatchNorm works on GPUs alone; this one
works wherever the processes can add up tensors, so that what is tested on a CPU is what runs on GPUs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torchvision.ops import StochasticDepth

from pipeline.training.process_group import summed


class Rows:
    """Which rows of the whole batch pass through the network just now."""

    def __init__(self) -> None:
        self.places: Tensor | None = None
        self.total = 0

    @contextmanager
    def passing(self, places: Tensor, total: int) -> Iterator[None]:
        """Say that rows int64 (M,) of a whole batch of `total` pass while the block runs."""
        self.places, self.total = places, total
        try:
            yield
        finally:
            self.places = None


class DrawnForAll(nn.Module):
    """A layer that draws for the whole batch, of which this process keeps its rows: the masks that one process has."""

    def __init__(self, layer: nn.Module, rows: Rows) -> None:
        super().__init__()
        self.layer, self.rows = layer, rows
        self.training = layer.training

    def forward(self, values: Tensor) -> Tensor:
        """Return what the layer makes of values (M, ...)."""
        places = self.rows.places
        if places is None or len(places) != len(values) or not self.training:
            return torch.as_tensor(self.layer(values))
        places = places.to(values.device)
        whole = values.new_zeros(self.rows.total, *values.shape[1:])
        return torch.as_tensor(self.layer(whole.index_copy(0, places, values))[places])


class SyncedBatchNorm(_BatchNorm):
    """BatchNorm over the rows of all processes while training; what any BatchNorm is otherwise."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected values (B, C, ...), got {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        """Return normalized values (B, C, ...)."""
        self._check_input_dim(input)
        if not self.training:
            return super().forward(input)
        values = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        axes, shape = [0, *range(2, input.ndim)], (1, -1, *[1] * (input.ndim - 2))
        count = values.new_tensor([values.numel() / values.shape[1]])
        sums = summed(torch.cat([values.sum(axes), count]))  # (C + 1,): what values add up to, and how many they are
        mean, rows = sums[:-1] / sums[-1], sums[-1]
        centered = values - mean.view(shape)
        variance = summed(centered.square().sum(axes)) / rows
        self._remember(mean.detach(), variance.detach(), rows.detach())
        normal = centered * torch.rsqrt(variance + self.eps).view(shape)
        if self.weight is not None:
            normal = normal * self.weight.view(shape)
        if self.bias is not None:
            normal = normal + self.bias.view(shape)
        return normal.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, rows: Tensor) -> None:
        """Move the running statistics, which inference uses."""
        if not self.track_running_stats or self.running_mean is None or self.running_var is None:
            return
        share = self.momentum or 0.0
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            share = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_((variance * rows / (rows - 1).clamp(min=1)).to(self.running_var), share)


@contextmanager
def whole_batch_layers(model: nn.Module) -> Iterator[Rows]:
    """Put layers that know the other processes in place while the block runs; weights and statistics are shared."""
    rows = Rows()
    replaced: list[tuple[nn.Module, str, nn.Module]] = []
    for parent in list(model.modules()):
        for name, layer in list(parent._modules.items()):
            aware = None if layer is None else _aware(layer, rows)
            if layer is not None and aware is not None:
                setattr(parent, name, aware)
                replaced.append((parent, name, layer))
    try:
        yield rows
    finally:
        for parent, name, layer in replaced:
            layer.train(getattr(parent, name).training)
            setattr(parent, name, layer)


def _aware(layer: nn.Module, rows: Rows) -> nn.Module | None:
    """Return what takes a layer's place; None where it may stay."""
    if isinstance(layer, _DropoutNd | StochasticDepth):
        return DrawnForAll(layer, rows)
    if not isinstance(layer, _BatchNorm):
        return None
    synced = SyncedBatchNorm(layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
    synced._parameters, synced._buffers = layer._parameters, layer._buffers
    synced.training = layer.training
    return synced
