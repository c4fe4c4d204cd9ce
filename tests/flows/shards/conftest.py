"""A Ray that several tests share, and a small pool on disk with the weights of a network that knows it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from flows.ray_cluster import Cluster
from flows.shards.actor import Weights
from flows.shards.ray_shards import RayShards
from pipeline.data.pool import ImagePool
from pipeline.models.store import save_model
from pipeline.strategies.base import QueryContext
from tests.pipeline.toys import CPU, stripes, trained
from tests.support import require


@dataclass(frozen=True)
class Bench:
    """What a test ranks: 120 images in two files, by a network with dropout."""

    context: QueryContext
    weights: Weights
    folder: Path

    def on_ray(self, actors: int = 2, size: int = 40, attempts: int = 3) -> RayShards:
        scratch = self.folder / "scratch"
        return RayShards(self.weights, scratch, device="cpu", actors=actors, size=size, attempts=attempts)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("bench")
    images, known = stripes(120, seed=9), stripes(15, seed=30)
    record = save_model(trained("lenet5"), folder / "model.safetensors", {})
    context = QueryContext(
        pool=pool_on_disk(images.images.numpy(), images.ids.numpy(), folder, "pool"),
        model=trained("lenet5"),
        classes=4,
        seed=5,
        device=CPU,
        labeled_ids=known.ids.numpy(),
        labeled_targets=known.targets.numpy(),
        labeled_images=pool_on_disk(known.images.numpy(), known.ids.numpy(), folder, "labeled"),
        scratch=folder / "scratch",
    )
    return Bench(context, Weights(path=folder / "model.safetensors", sha256=record.sha256), folder)


def pool_on_disk(images: np.ndarray, ids: np.ndarray, folder: Path, name: str) -> ImagePool:
    """Write images into two files of unequal length."""
    first = 2 * len(images) // 3
    paths = [folder / f"{name}-{part}.npy" for part in range(2)]
    np.save(paths[0], images[:first])
    np.save(paths[1], images[first:])
    rows = np.arange(len(images))
    return ImagePool(ids, rows // first, rows % first, paths)


@pytest.fixture(scope="package")
def ray_here() -> Iterator[None]:
    """Start Ray once; runners join what is there and leave it running."""
    require(importlib.util.find_spec("ray") is not None, "Ray is not installed; pip install 'borderline[cluster]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", "/tmp")  # noqa: S108 - sockets need a short path
        cluster = Cluster(cores=2)
        cluster.start()
        yield
        cluster.stop()


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an import of Ray fail."""
    import builtins

    whole = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "ray" or name.startswith("ray."):
            raise ImportError(name)
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
