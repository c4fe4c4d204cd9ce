"""Ranking a million images by shards on Ray, against one process: same ids, how much sooner, and what it costs.

Claim: the actors of a cluster choose exactly the images that one process chooses, and two actors on two cores take
about as long as one process with two threads: what Ray adds is its start and the search of each shard for its own best.

The pool is made of MNIST by shifting and noising, as in query_speed.py, and lies on disk. One process uses all cores
as threads; actors share them. `start` is the time until the first actor began: Ray itself, Python and torch in each
actor, and the load of the model. `shards` is the sum over the actors, so that it is comparable with one process.
`merging` is the parent's. `other_places` counts ids of the same k that stand elsewhere in their order: shards make
other batches than one pass, and the nearest distances differ by less than float32 can tell. Each figure is the median
of `--repeats` runs; every run on Ray starts Ray anew.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch

from benchmarks.common import arguments, report, save, timed
from benchmarks.subjects import Subject, read_digits, trained, write_pool
from flows.shards.actor import Weights
from flows.shards.ray_shards import Pass, RayShards
from pipeline.data.pool import ImagePool
from pipeline.models.base import Classifier
from pipeline.models.store import save_model
from pipeline.strategies.base import QueryContext, Selection
from pipeline.strategies.registry import get_strategy
from pipeline.strategies.shards import SHARD, ShardsHere, select


class Rankings:
    """Measures one way after the other on one pool.

    Args:
        subject: The network.
        pool: The images.
        given: The arguments.
        folder: For the weights and for what actors write.
    """

    def __init__(self, subject: Subject, pool: ImagePool, given: argparse.Namespace, folder: Path) -> None:
        record = save_model(cast(Classifier, subject.model).cpu(), folder / "model.safetensors", {})
        self.weights = Weights(path=folder / "model.safetensors", sha256=record.sha256)
        self.given, self.folder = given, folder
        self.context = replace(subject.context(pool), device=torch.device("cpu"), scratch=folder / "scratch")
        self.rows: list[dict[str, Any]] = []
        self.first: Selection | None = None
        self.seconds = 0.0

    def here(self) -> None:
        """One process, in one pass and by shards."""
        self.add("one process, one pass", lambda: self.chosen(self.context))
        size = 4096 if self.given.quick else SHARD
        self.add("one process, by shards", lambda: self.chosen(replace(self.context, runner=ShardsHere(size))))

    def on_ray(self, actors: int) -> None:
        """Some actors on this machine, with all that it takes to start them."""
        passes: list[Pass] = []

        def work() -> Selection:
            size = 4096 if self.given.quick else 0
            with RayShards(self.weights, self.folder, device="cpu", actors=actors, size=size) as runner:
                found = self.chosen(replace(self.context, runner=runner))
            passes.append(runner.passes[-1])
            return found

        self.add(f"Ray, {actors} actors", work, lambda: passes[-1])

    def chosen(self, context: QueryContext) -> Selection:
        """Rank."""
        return select(get_strategy(self.given.strategy), context, self.given.k)

    def add(self, name: str, work: Callable[[], Selection], told: Callable[[], Pass] | None = None) -> None:
        """Measure a way and add its row."""
        seconds, found = timed(work, self.given.repeats)
        self.first, self.seconds = self.first or found, self.seconds or seconds
        made = told() if told is not None else None
        self.rows.append(
            {
                "way": name,
                "images": len(self.context.pool),
                "k": self.given.k,
                "seconds": seconds,
                "images_per_second": len(self.context.pool) / seconds,
                "times_as_fast": self.seconds / seconds,
                "start": made and made.start_seconds,
                "shards": made and made.shards,
                "seconds_a_shard": made and made.shard_seconds / made.shards,
                "merging": made and made.merge_seconds,
                "attacked": found.diagnostics.get("attacked"),
                "same_ids": set(found.ids.tolist()) == set(self.first.ids.tolist()),
                "other_places": int((found.ids != self.first.ids).sum()),
            }
        )
        save(self.rows, self.given)


def main() -> None:
    """Measure; a row whose ids differ ends it with an error."""
    given = arguments(
        __doc__, images=1_000_000, k=100, model="lenet5", strategy="dfal", actors=0, labels=100, repeats=1
    )
    if given.quick:
        given.images, given.k = 20_000, 20
    train_files, test_files = read_digits(given.data / "mnist")
    subject = trained(given.model, test_files, given.labels, 0, quick=given.quick)
    most = given.actors or max(2, os.cpu_count() or 2)
    with tempfile.TemporaryDirectory() as folder:
        rankings = Rankings(subject, write_pool(Path(folder), train_files, given.images), given, Path(folder))
        rankings.here()
        for actors in sorted({2, most}):
            rankings.on_ray(actors)
    report(f"Ranking by {given.strategy} with {given.model}, {given.repeats} runs a row", rankings.rows, given)
    if not all(row["same_ids"] for row in rankings.rows):
        raise SystemExit("expected the same ids from every way, got others")


if __name__ == "__main__":
    main()
