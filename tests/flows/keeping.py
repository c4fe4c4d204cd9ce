"""A store whose rows name real files, for tests of backups, of the doctor and of clearing away."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from db import access, samples
from db.records import NewFile, NewShard, Project
from flows.files import new_file
from flows.settings import Settings
from flows.store import Store
from pipeline.files import atomic_write_bytes
from tests.database_fixtures import Place
from tests.db.scenes import Scene, make_scene, new_samples


def store_at(place: Place, **more: object) -> Store:
    """Open the store of a place, which its user closes; 'borderline' acts."""
    settings = Settings(home=place.home, database_url=place.url, device="cpu", **more)
    database = place.open()
    return Store(settings, database, access.system_actor(database))


def write_file(store: Store, project: Project, kind: str, name: str, seed: int = 0) -> NewFile:
    """Write a small file of a project as flows do, without a row."""
    content = np.random.default_rng(seed).bytes(2000)
    return new_file(store, atomic_write_bytes(store.settings.project_folder(project.id, kind) / name, content))


def scene_with_files(store: Store, images: int = 30, shards: int = 3) -> Scene:
    """A project whose images lie in shards that are really on disk."""
    scene = make_scene(store.database, images=0)
    for number in range(shards):
        pixels = write_file(store, scene.project, "shards", f"shard-{number}.npy", 2 * number)
        display = write_file(store, scene.project, "shards", f"shard-{number}.pack", 2 * number + 1)
        rows = new_samples(f"image {number} ", images // shards)
        shard = NewShard(pixels=pixels, display=display)
        samples.register_shard(store.database, scene.ada, scene.id, shard, rows, "use")
    return scene


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def flip(path: Path) -> None:
    """Change one byte."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
