"""What pages show beyond numbers, computed once at the end so that no page loads a model: where the queries lie."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from db import comparison_log, comparisons
from db.records import Comparison, ComparisonRun, Project
from flows.compare.images import folder_of, open_index, write_index
from flows.compare.units import one_thread
from flows.files import new_file
from flows.report import Reporter
from flows.store import Store
from pipeline.files import atomic_write_bytes
from pipeline.randomness import per_sample_uniform

if TYPE_CHECKING:
    from pipeline.data.pool import ImagePool

MAP, MAP_NAME = "map", "map"
MOST_ON_MAP = 2000
MAP_SEED = 0
ABOUT = "Near images look alike to a network that learned the pool without labels (an autoencoder, then t-SNE)"
_BATCH = 256


def make_extras(store: Store, project: Project, found: Comparison, reporter: Reporter) -> None:
    """Make the map of queries unless it is there.

    Args:
        store: The open store.
        project: Holds the images.
        found: The comparison, all runs at their end.
        reporter: Receives the progress; may raise to stop.
    """
    files = comparisons.files_of(store.database, store.actor, found.id)
    runs = comparisons.runs(store.database, store.actor, found.id)
    if any(file.kind == MAP for file in files) or not any(run.points for run in runs):
        return
    pool = open_index(write_index(store, project)).pool
    ids = ids_on_map(pool.ids, runs)
    places = _places(store, project, pool, ids, reporter)
    told = {"ids": ids.tolist(), "x": places[:, 0].tolist(), "y": places[:, 1].tolist(), "about": ABOUT}
    path = folder_of(store, project.id) / str(found.id) / "map.json"
    record = atomic_write_bytes(path, json.dumps(told).encode())
    comparison_log.record_file(store.database, store.actor, found.id, MAP, MAP_NAME, new_file(store, record))


def ids_on_map(pool: NDArray[np.int64], runs: Sequence[ComparisonRun], most: int = MOST_ON_MAP) -> NDArray[np.int64]:
    """Return the ids (N,) to draw, rising: what was asked, the first seeds first, and others of the pool at random."""
    in_turn = sorted(runs, key=lambda run: (run.seed, run.arm))
    asked = dict.fromkeys(chain.from_iterable(point.queried for run in in_turn for point in run.points))
    kept = np.array(list(asked)[:most], dtype=np.int64)
    others = np.setdiff1d(pool, kept)
    order = np.argsort(per_sample_uniform(MAP_SEED, others, "map"), kind="stable")
    return np.sort(np.concatenate([kept, others[order[: most - len(kept)]]]))


def _places(
    store: Store, project: Project, pool: ImagePool, ids: NDArray[np.int64], reporter: Reporter
) -> NDArray[np.float32]:
    """Return a place (N, 2) for each image; the network is learned once for all comparisons of these images."""
    from pipeline.data.transforms import to_float
    from pipeline.features.learned import learn
    from pipeline.statistics.projection import queries_map

    device = torch.device("cpu")
    with one_thread("cpu"):
        network = learn(
            "autoencoder", pool, device, scratch=folder_of(store, project.id), on_progress=reporter.progress
        )
        features = []
        with torch.inference_mode():
            for start in range(0, len(ids), _BATCH):
                reporter.progress(start, len(ids), "drawing the map of queries")
                images = to_float(pool.take(ids[start : start + _BATCH]))  # (B, C, S, S)
                features.append(network(images).flatten(1).numpy())
        return queries_map(np.concatenate(features), seed=MAP_SEED)
