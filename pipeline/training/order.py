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
