"""Says who looks at a pool: this process, or the actors of a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.store import Store

if TYPE_CHECKING:
    from db.records import ModelVersion
    from flows.shards.ray_shards import RayShards


@contextmanager
def shard_runner(store: Store, project_id: int, version: ModelVersion | None) -> Iterator[RayShards | None]:
    """Yield the runner that the settings ask for; None is this process.

    Args:
        store: The open store.
        project_id: Whose pool it is.
        version: The model to rank with.

    Raises:
        UsageError: Ray is asked for and not installed.
    """
    settings = store.settings
    if settings.runner == "local":
        yield None
        return
    from flows.shards.actor import Weights
    from flows.shards.ray_shards import RayShards

    weights = None if version is None else Weights(path=store.path(version.path), sha256=version.sha256)
    with RayShards(
        weights,
        settings.project_folder(project_id, "embedders"),
        device=settings.device,
        actors=settings.ray_actors,
        address=settings.ray_address,
    ) as runner:
        yield runner
