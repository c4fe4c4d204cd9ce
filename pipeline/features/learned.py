"""Learns features from a pool without labels, once: the first round of a project has nothing else to go by."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor, nn

from pipeline.data.pool import ImagePool
from pipeline.data.transforms import to_float
from pipeline.errors import FileDamaged, StrategyError
from pipeline.features.autoencoder import Autoencoder
from pipeline.features.contrastive import Contrastive
from pipeline.files import atomic_write_bytes
from pipeline.models.state import private_randomness
from pipeline.randomness import derive_seed, per_sample_uniform

Progress = Callable[[int, int, str], None]
Learner = Autoencoder | Contrastive

NETWORKS: dict[str, Callable[[int], Learner]] = {"autoencoder": Autoencoder, "contrastive": Contrastive}
STEPS = {"autoencoder": 400, "contrastive": 400}
_BATCH = 128
_RATE = 2e-3
_MOST_IMAGES = 20_000
_MOST_BYTES = 1 << 28
_LEARNED_FROM = "images"
_SEED = 0  # the same features in every round of a project


def learn(
    kind: str, pool: ImagePool, device: torch.device, *, scratch: Path | None, on_progress: Progress | None
) -> nn.Module:
    """Return a network from images (B, C, S, S) to features (B, D), in eval mode on `device`.

    It is learned from up to 20,000 images of the pool, chosen by their ids alone. With a scratch folder it is kept
    there, and later rounds take it as it is, so that features of different rounds belong together; it is learned anew
    once the pool has more than twice as many images to learn from.

    Args:
        kind: 'autoencoder' or 'contrastive'.
        pool: The images.
        device: Where to compute.
        scratch: Folder of learned networks, or None.
        on_progress: Called with (steps, steps in all, a line to show); raising stops.

    Raises:
        StrategyError: There is no such kind, or the loss is not finite.
        FileDamaged: The kept network cannot be read.
    """
    channels = pool.image_shape[0]
    with private_randomness():
        torch.manual_seed(derive_seed(_SEED, kind))
        network = NETWORKS[kind](channels)
    path = None if scratch is None else scratch / f"{kind}-{_key(network)}.safetensors"
    most = _count(pool)
    if path is None or not path.exists() or 2 * _read(network, path) < most:
        _train(network, kind, _images(pool, most), device, on_progress)
        if path is not None:
            tensors = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
            atomic_write_bytes(path, save(tensors, {_LEARNED_FROM: str(most)}))
    return network.to(device).eval()


def _key(network: nn.Module) -> str:
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    return hashlib.sha256(f"{shapes} {STEPS} {_BATCH} {_RATE}".encode()).hexdigest()[:12]


def _read(network: nn.Module, path: Path) -> int:
    """Load a kept network and return how many images it was learned from."""
    try:
        with safe_open(path, framework="pt") as file:
            learned_from = int(file.metadata()[_LEARNED_FROM])
        network.load_state_dict(load(path.read_bytes()))
        return learned_from
    except (SafetensorError, RuntimeError, OSError, KeyError, TypeError) as error:
        raise FileDamaged(f"expected a learned network at {path}, got: {error}; delete it to learn anew") from error


def _count(pool: ImagePool) -> int:
    return min(len(pool), max(1, min(_MOST_IMAGES, _MOST_BYTES // int(np.prod(pool.image_shape)))))


def _images(pool: ImagePool, most: int) -> Tensor:
    """Return the images (n, C, S, S) to learn from, chosen and ordered by their ids alone."""
    ids = np.asarray(pool.ids)
    return pool.take(ids[np.lexsort((ids, per_sample_uniform(_SEED, ids, "learned features")))[:most]])


def _train(network: Learner, kind: str, images: Tensor, device: torch.device, on_progress: Progress | None) -> None:
    steps = min(STEPS[kind], 50 + len(images) // 4)  # few images are learned soon
    optimizer = torch.optim.AdamW(network.to(device).train().parameters(), lr=_RATE, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    for step in range(steps):
        generator = torch.Generator().manual_seed(derive_seed(_SEED, kind, "step", step))
        chosen = torch.randint(len(images), (min(_BATCH, max(2, len(images))),), generator=generator)
        loss = network.loss(to_float(images[chosen].to(device)), generator)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == steps - 1:
            if not bool(loss.isfinite()):
                raise StrategyError(f"expected a finite loss while learning features, got {float(loss.detach())}")
            if on_progress is not None:
                on_progress(step, steps, f"learning features from {len(images):,} images without labels")
