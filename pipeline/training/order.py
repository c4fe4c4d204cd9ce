"""In which order images pass: shuffled epochs, one after the other, each derived from (seed, name, epoch)."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.randomness import derive_seed


class Order:
    """A stream of positions in [0, count): every image once, in a new random order, before any comes again.

    Args:
        seed: Of the training.
        name: What is ordered, such as 'labeled' or 'copies'; streams of different names are independent.
        count: Number of images.
    """

    def __init__(self, seed: int, name: str, count: int) -> None:
        self.seed, self.name, self.count = seed, name, count
        self._epochs: dict[int, Tensor] = {}

    def take(self, start: int, stop: int) -> Tensor:
        """Return the positions int64 (stop - start,) at the places `start` to `stop` of the stream.

        >>> order = Order(0, "labeled", 3)
        >>> sorted(order.take(0, 3).tolist()), order.take(1, 5).tolist() == order.take(0, 6).tolist()[1:5]
        ([0, 1, 2], True)
        """
        places = torch.arange(start, stop)
        epochs = places // self.count
        met = range(int(epochs[0]), int(epochs[-1]) + 1)
        return torch.cat([self._epoch(epoch)[places[epochs == epoch] % self.count] for epoch in met])

    def _epoch(self, epoch: int) -> Tensor:
        if epoch not in self._epochs:
            generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", self.name, epoch))
            self._epochs = {key: value for key, value in self._epochs.items() if key >= epoch - 1}
            self._epochs[epoch] = torch.randperm(self.count, generator=generator)
        return self._epochs[epoch]


class BalancedOrder:
    """A stream of positions in which the classes take turns: each once, in a new random order, before any comes again.

    Within a class every image comes once before any comes again (class-balanced sampling, Shen et al. 2016,
    arXiv:1512.05830; Kang et al. 2020, arXiv:1910.09217, p_j with q = 0).

    Args:
        seed: Of the training.
        name: What is ordered.
        targets: int64 (N,), the class of each image; classes without any are left out.
    """

    def __init__(self, seed: int, name: str, targets: Tensor) -> None:
        self.members = [torch.nonzero(targets == target).flatten() for target in torch.unique(targets)]
        self.turns = Order(seed, f"{name} classes", len(self.members))
        self.within = [Order(seed, f"{name} class {place}", len(own)) for place, own in enumerate(self.members)]

    def take(self, start: int, stop: int) -> Tensor:
        """Return the positions int64 (stop - start,) at the places `start` to `stop` of the stream.

        >>> order = BalancedOrder(0, "labeled", torch.tensor([0, 0, 0, 0, 1]))
        >>> order.take(0, 8).tolist().count(4), sorted(set(order.take(0, 8).tolist()))
        (4, [0, 1, 2, 3, 4])
        """
        classes = self.turns.take(start, stop)
        turn = torch.arange(start, stop) // len(self.members)  # a class has as many turns as there are rounds of turns
        taken = torch.empty(stop - start, dtype=torch.int64)
        for place, own in enumerate(self.members):
            if (mine := classes == place).any():
                turns = turn[mine]
                taken[mine] = own[self.within[place].take(int(turns[0]), int(turns[-1]) + 1)]
        return taken
