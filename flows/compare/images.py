"""The images of comparisons: one project for each data set and size, and a file that tells workers where they lie.

Workers get the file's path, never an array of images and no database: they read pixels from the same shards.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from db import jobs, projects, samples
from db.errors import NotFound
from db.records import Project, ProjectSpec
from flows.compare.options import CompareOptions
from flows.errors import UsageError
from flows.known_data import image_shape, open_known, read_known
from flows.report import Reporter
from flows.store import Store
from pipeline.data.sources import Source
from pipeline.errors import FileDamaged
from pipeline.files import atomic_write

if TYPE_CHECKING:
    from pipeline.experiment.data import ExperimentData


def prepare(store: Store, options: CompareOptions, reporter: Reporter) -> Project:
    """Return the project that holds the images, made and filled at first use.

    Raises:
        UsageError: The data set has no classes, or the named project no images with known classes.
        DataError: The data set cannot be read.
    """
    found = _existing(store, options)
    if found is not None:
        return found
    source = open_known(options.dataset, options.data_dir)
    side, channels = options.image_size, options.channels
    if side is None or channels is None:
        suits = image_shape(source)
        side, channels = side or suits[0], channels or suits[1]
    name = _project_name(options, source, side, channels)
    try:
        project = projects.get_project(store.database, store.actor, name)
    except NotFound:
        project = _create(store, name, source, side, channels)
    last = jobs.latest(store.database, project.id, "ingest")
    if last is None or last.state != "done":
        read_known(store, project, source, reporter)
    return project


def _existing(store: Store, options: CompareOptions) -> Project | None:
    """Return the simulation of that name, if there is one."""
    try:
        project = projects.get_project(store.database, store.actor, options.dataset)
    except (NotFound, ValueError):
        return None
    return project if project.kind == "simulation" and project.name == options.dataset else None


def _project_name(options: CompareOptions, source: Source, side: int, channels: int) -> str:
    """Name the project after its data; the mark tells data of one name apart, and a folder that changed since."""
    path = Path(options.dataset)
    digest = hashlib.sha256(f"{path.resolve() if path.exists() else options.dataset} {source.classes}".encode())
    for item in source:
        digest.update(f"{item.name} {item.split} {item.known_class}\n".encode(errors="surrogateescape"))
    color = "gray" if channels == 1 else "color"
    return f"compare-{path.name or 'images'}-{side}px-{color}-{digest.hexdigest()[:6]}"


def _create(store: Store, name: str, source: Source, side: int, channels: int) -> Project:
    spec = ProjectSpec(
        name=name,
        classes=tuple(source.classes),
        image_size=side,
        channels=channels,
        holdout_size=0,
        reserve_size=0,
        kind="simulation",  # a running `borderline up` leaves it alone: nobody labels here
    )
    return projects.create_project(store.database, store.actor, spec)


def folder_of(store: Store, project_id: int) -> Path:
    """Return the folder of a project's comparisons."""
    return store.settings.project_folder(project_id, "comparisons")


def write_index(store: Store, project: Project) -> Path:
    """Write where the images lie and what they show; the same images give the same file.

    Raises:
        UsageError: The pool or the test split is empty.
    """
    arrays: dict[str, NDArray[Any]] = {"classes": np.array([entry.name for entry in project.classes])}
    for split in ("pool", "test"):
        index = samples.pool_index(store.database, project.id, splits=(split,))
        truth = samples.known_classes(store.database, project.id, index.ids)
        known = np.array([int(item) in truth for item in index.ids], dtype=bool)
        if not known.any():
            raise UsageError(f"expected {split} images with known classes in {project.name!r}, got none; ingest some")
        arrays[f"{split}_ids"] = index.ids[known]
        arrays[f"{split}_shard"], arrays[f"{split}_row"] = index.shard[known], index.row[known]
        arrays[f"{split}_targets"] = np.array([truth[int(item)] for item in index.ids[known]], dtype=np.int64)
        arrays[f"{split}_paths"] = np.array([str(store.path(path)) for path in index.paths])
    digest = hashlib.sha256(json.dumps(list(arrays)).encode())
    for array in arrays.values():
        digest.update(np.ascontiguousarray(array).tobytes())
    path = folder_of(store, project.id) / f"images-{digest.hexdigest()[:12]}.npz"

    def write(file: BinaryIO) -> None:
        np.savez(file, allow_pickle=False, **arrays)

    if not path.exists():
        atomic_write(path, write)
    return path


@lru_cache(maxsize=2)
def open_index(path: Path) -> ExperimentData:
    """Open the images of an index; pixels stay on disk until they are read.

    Raises:
        FileDamaged: The file is missing or not whole.
    """
    from pipeline.data.pool import ImagePool
    from pipeline.experiment.data import ExperimentData

    try:
        with np.load(path, allow_pickle=False) as stored:
            found = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, KeyError) as error:
        raise FileDamaged(f"expected an index of images at {path}, got: {error}; give the command again") from error
    pools = {
        split: ImagePool(
            found[f"{split}_ids"],
            found[f"{split}_shard"],
            found[f"{split}_row"],
            [Path(str(name)) for name in found[f"{split}_paths"]],
        )
        for split in ("pool", "test")
    }
    return ExperimentData(
        pool=pools["pool"],
        targets=found["pool_targets"],
        test=pools["test"],
        test_targets=found["test_targets"],
        classes=tuple(str(name) for name in found["classes"]),
    )
