"""What ranking a pool by DFAL costs: the lazy exact search against one inference pass and DeepFool on all images.

Claim: the k images nearest to the border, exactly, for a few times the price of looking at the pool once. One
inference pass is the fastest of three batch sizes; passes are wall time over wall time, in one run.
Needs torch, torchvision, numpy, Pillow and the IDX files of MNIST alone: it runs on a machine with a GPU as it is.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.common import arguments, report, timed
from pipeline.attacks.search import nearest_to_border
from pipeline.data.pool import ImagePool
from pipeline.data.sources import open_source
from pipeline.models.registry import build_model
from pipeline.training.inference import predict_logits
from pipeline.training.labeled import LabeledImages
from pipeline.training.recipes import recipe_by_name
from pipeline.training.supervised import train


def read_mnist(folder: Path, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return uint8 images (N, 1, 28, 28) and classes (N,) of MNIST's training files."""
    images, targets = [], []
    for item in open_source(folder):
        if item.split == "pool" and len(images) < count:
            images.append(np.asarray(item.load()))
            targets.append(int(item.known_class or 0))
    return torch.from_numpy(np.stack(images)).reshape(-1, 1, 28, 28), torch.tensor(targets)


def trained(name: str, images: torch.Tensor, targets: torch.Tensor, labels: int, seed: int) -> nn.Module:
    """Train a network on random labels, on the GPU if there is one."""
    chosen = torch.from_numpy(np.random.default_rng(seed).permutation(len(images))[:labels])
    model = build_model(name, classes=10, channels=1, image_size=28, seed=seed)
    labeled = LabeledImages(images=images[chosen], targets=targets[chosen], ids=chosen)
    train(model, labeled, recipe_by_name("supervised"), seed=seed, device=device())
    return model


def device() -> torch.device:
    """Return the GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def one_pass(model: nn.Module, pool: ImagePool) -> float:
    """Return the seconds of the fastest inference pass."""
    sizes = (256, 1024, 4096)
    passes = (partial(predict_logits, model, pool, device=device(), batch_size=size) for size in sizes)
    return min(timed(look, 3)[0] for look in passes)


def measure(
    name: str, pool: ImagePool, model: nn.Module, ks: tuple[int, ...], exhaustive: bool
) -> list[dict[str, Any]]:
    """Time the search for some k, and once DeepFool on every image as the reference."""
    inference = one_pass(model, pool)
    reference = None
    rows = []
    if exhaustive:
        seconds, reference = timed(lambda: nearest_to_border(model, pool, max(ks), exhaustive=True))
        rows.append(row(name, "exhaustive", max(ks), len(pool), seconds, inference, 1.0))
    for k in ks:
        seconds, found = timed(partial(nearest_to_border, model, pool, k))
        recall = float("nan") if reference is None else len(np.intersect1d(found.ids, reference.ids[:k])) / k
        rows.append(row(name, "lazy exact", k, len(pool), seconds, inference, recall))
    return rows


def row(name: str, method: str, k: int, pool: int, seconds: float, inference: float, recall: float) -> dict[str, Any]:
    """Make one row of the table."""
    return {
        "method": method, "model": name, "pool": pool, "k": k, "seconds": seconds,
        "images_per_second": pool / seconds, "inference_passes": seconds / inference, "recall": recall,
    }  # fmt: skip


def main() -> None:
    """Measure lenet5 and convnet (and vgg8 on a GPU), trained on 100 random labels."""
    given = arguments(__doc__, seed=0, labels=100)
    on_gpu = device().type == "cuda"
    count = 2_000 if given.quick else 60_000
    images, targets = read_mnist(Path(given.data) / "mnist", count)
    pool = ImagePool.from_tensor(images)
    rows: list[dict[str, Any]] = []
    for name in ("lenet5", "convnet", "vgg8") if on_gpu else ("lenet5",) if given.quick else ("lenet5", "convnet"):
        model = trained(name, images, targets, given.labels, given.seed)
        rows += measure(
            name, pool, model, (10, 100) if given.quick else (10, 100, 1000), exhaustive=name == "lenet5" or on_gpu
        )
    report("DFAL's ranking of MNIST", rows, given, seed=given.seed, labels=given.labels)


if __name__ == "__main__":
    main()
