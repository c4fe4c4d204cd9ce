"""The processes that train one network together: which of them this is, and what they add up.

Fabric starts them (devices, backend, rendezvous as `torchrun` set it up); it is imported only when several train. No
object is ever sent: Fabric's own `broadcast` and torch's object collectives pickle, so only tensors travel here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, distributed
from torch.autograd import Function

from pipeline.errors import TrainingError


@dataclass(frozen=True)
class ProcessGroup:
    """One process among those that train a network together.

    Attributes:
        rank: Which one, from 0; the first one validates and writes files.
        size: How many there are, on all hosts.
        device: Where this one trains.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process validates, reports and writes files."""
        return self.rank == 0

    def part(self, count: int) -> Tensor:
        """Return which of `count` rows are this process's, int64 (M,); each row is exactly one process's.

        >>> [ProcessGroup(rank, 3, torch.device("cpu")).part(8).tolist() for rank in range(3)]
        [[0, 1, 2], [3, 4, 5], [6, 7]]
        """
        return torch.arange(count).tensor_split(self.size)[self.rank]

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Put the sum over all processes in place of each tensor; they travel as one."""
        together = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        distributed.all_reduce(together)
        totals = torch.split(together, [one.numel() for one in tensors])
        for tensor, total in zip(tensors, totals, strict=True):
            tensor.detach().copy_(total.view_as(tensor))

    def from_first(self, tensor: Tensor) -> Tensor:
        """Put what the first process has in place of a tensor, and return it."""
        distributed.broadcast(tensor, src=0)
        return tensor

    def bytes_from_first(self, data: bytes | None) -> bytes | None:
        """Return the bytes that the first process has; what the others give is not looked at."""
        length = torch.tensor([-1 if data is None else len(data)], device=self.device)
        count = int(self.from_first(length))
        if count < 0:
            return None
        mine = bytearray(data) if self.leads and data else bytearray(count)
        if not count:
            return b""
        return bytes(self.from_first(torch.frombuffer(mine, dtype=torch.uint8).to(self.device)).cpu().numpy())


def launched_group(accelerator: Literal["cpu", "cuda"]) -> ProcessGroup:
    """Join the other processes that `torchrun` started, by Lightning Fabric.

    Raises:
        TrainingError: `torchrun` did not start this process.
    """
    if "LOCAL_WORLD_SIZE" not in os.environ:
        raise TrainingError("expected to be started by torchrun, got a plain process; see docs/training.md")
    from lightning_fabric import Fabric

    local, hosts = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["GROUP_WORLD_SIZE"])
    fabric = Fabric(accelerator=accelerator, devices=local, num_nodes=hosts, strategy="ddp")
    fabric.launch()
    return ProcessGroup(fabric.global_rank, fabric.world_size, fabric.device)


def summed(tensor: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes; gradients of all of them flow back."""
    return torch.as_tensor(cast(Any, _Summed).apply(tensor))


class _Summed(Function):
    @staticmethod
    def forward(_: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total
