"""Networks drawn by dropout (MC dropout: Gal and Ghahramani, ICML 2016, arXiv:1506.02142), as a model sees images.

A draw is one mask a dropout layer, the same for every image: one network out of the approximate posterior. So the
order of the pool, the batch size and the sharding change nothing, and draws of different images belong together, which
BatchBALD's joint entropies need (Kirsch et al., arXiv:1906.08158, section 3.3). Only dropout layers change: BatchNorm
keeps to its running statistics. What lies before the first dropout layer is computed once, not once a draw.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from pipeline.errors import ModelError
from pipeline.randomness import derive_seed

_KINDS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def dropout_layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the names and modules of the layers that drop anything."""
    return [(name, layer) for name, layer in model.named_modules() if isinstance(layer, _KINDS) and layer.p > 0]


class DropoutDraws:
    """Some networks drawn from a model.

    Args:
        model: Batch first, with dropout as modules; in eval mode whenever it is called here.
        draws: How many networks S.
        seed: Of the masks. Draw s is the same for any S.

    Raises:
        ModelError: The model has no dropout layer.
    """

    def __init__(self, model: nn.Module, draws: int, seed: int) -> None:
        self.model, self.draws, self.seed = model, draws, seed
        self.layers = dropout_layers(model)
        if not self.layers:
            raise ModelError(
                f"expected a model with dropout layers, got {type(model).__name__} without any; take convnet, lenet5 "
                "or vgg8, add nn.Dropout to your own, or choose entropy or margin"
            )
        self._masks: dict[tuple[str, int, tuple[int, ...]], Tensor] = {}
        self._repeat_at_once = False  # where images and draws cannot meet in the middle of the model

    def log_probabilities(self, images: Tensor) -> Tensor:
        """Return log probabilities, float64 (S, B, K), of float images (B, C, H, W)."""
        if not self._repeat_at_once:
            try:
                return self._run(images, at_once=False)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError:  # a skip connection around the first dropout layer: B rows there, S * B here
                self._repeat_at_once = True
        return self._run(images, at_once=True)

    def _run(self, images: Tensor, *, at_once: bool) -> Tensor:
        count = len(images)
        with self._dropping(count, at_once=at_once) as calls:
            logits = self.model(images.repeat(self.draws, *[1] * (images.ndim - 1)) if at_once else images)
        if not calls:
            raise ModelError(
                f"expected dropout on the way to the logits, got {len(self.layers)} layers that are never used; "
                "put one before the last layer, or choose entropy or margin"
            )
        if len(logits) != self.draws * count:
            raise RuntimeError(f"expected {self.draws * count} rows of logits, got {len(logits)}")
        return torch.log_softmax(logits.double(), dim=1).view(self.draws, count, -1)  # (S, B, K)

    @contextmanager
    def _dropping(self, count: int, *, at_once: bool) -> Iterator[dict[str, int]]:
        """Put the masks behind the dropout layers, which themselves let everything pass in eval mode."""
        calls: dict[str, int] = {}

        def drop(name: str, layer: nn.Module, passed: Tensor) -> Tensor:
            calls[name] = calls.get(name, 0) + 1
            apart = passed.view(self.draws, -1, *passed.shape[1:]) if len(passed) == self.draws * count else None
            first = not at_once and sum(calls.values()) == 1
            rows = passed[None] if first or apart is None else apart  # (1 or S, B, ...)
            if rows.shape[1] != count:
                raise ModelError(f"expected images along the first axis of {name}, got {tuple(passed.shape)}")
            mask = self._mask(name, calls[name], layer, passed)  # (S, 1, ...)
            return (rows * mask).flatten(0, 1)  # (S * B, ...)

        handles = [
            layer.register_forward_hook(lambda module, _, out, name=name: drop(name, module, out))
            for name, layer in self.layers
        ]
        try:
            yield calls
        finally:
            for handle in handles:
                handle.remove()

    def _mask(self, name: str, call: int, layer: nn.Module, passed: Tensor) -> Tensor:
        shape = tuple(passed.shape[1:])
        if not isinstance(layer, nn.Dropout):  # whole channels
            shape = (shape[0], *[1] * (len(shape) - 1))
        key = (name, call, shape)
        if key not in self._masks:
            keep = 1.0 - float(getattr(layer, "p", 0.0))
            masks = [self._draw(key, draw, shape, keep) for draw in range(self.draws)]
            self._masks[key] = torch.stack(masks).unsqueeze(1)
        return self._masks[key].to(passed)

    def _draw(self, key: tuple[str, int, tuple[int, ...]], draw: int, shape: tuple[int, ...], keep: float) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "dropout", key[0], key[1], draw))
        kept = torch.rand(shape, generator=generator, dtype=torch.float64) < keep
        return kept.double() / keep if keep > 0 else torch.zeros(shape, dtype=torch.float64)
