"""A network of one's own that some strategies cannot ask with."""

from __future__ import annotations

from torch import Tensor, nn


class WithoutDropout(nn.Module):
    """One linear layer."""

    def __init__(self, classes: int, channels: int, image_size: int) -> None:
        super().__init__()
        self.head = nn.Linear(channels * image_size * image_size, classes)

    def forward(self, images: Tensor) -> Tensor:  # (B, C, S, S)
        return self.head(images.flatten(1))
