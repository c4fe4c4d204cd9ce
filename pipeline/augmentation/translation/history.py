"""A pool of earlier translations, so that a discriminator does not forget what it was fooled by.

Shrivastava et al., arXiv:1612.07828, section 2.3; the paper of CycleGAN keeps 50.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class History(nn.Module):
    """Keeps translations in buffers, so that they are part of a checkpoint.

    Args:
        size: How many; 0 keeps none.
        shape: Of an image, (C, S, S).
    """

    images: Tensor
    filled: Tensor

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *shape))  # (P, C, S, S)
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    def exchange(self, made: Tensor, generator: torch.Generator) -> Tensor:
        """Take in new translations, and return as many, about half of them old ones.

        While there is room each is kept and returned. After that each is, with even odds, returned and not kept, or
        takes the place of an old one, which is returned.

        Args:
            made: float (B, C, S, S), without a graph.
            generator: A CPU generator.
        """
        size = len(self.images)
        if not size:
            return made
        swap = torch.rand(len(made), generator=generator) < 0.5
        places = torch.randint(size, (len(made),), generator=generator)
        shown = made.clone()
        for row in range(len(made)):
            filled = int(self.filled)
            if filled < size:
                self.images[filled] = made[row]
                self.filled += 1
            elif bool(swap[row]):
                place = int(places[row])
                shown[row] = self.images[place]
                self.images[place] = made[row]
        return shown
