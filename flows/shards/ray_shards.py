"""Does a ranking's shards on Ray: Ray Data feeds actors, each with the model loaded once, inside one Prefect task.

BORDERLINE_HOME must be a folder that all machines see under the same path, for actors read images and weights there.
An actor that is lost is started again and its shard done anew; a task gives the same arrays each time.
"""

from __future__ import annotations

import json
import logging
import math
import queue
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from flows.errors import FlowError, UsageError
from flows.ray_cluster import Cluster, with_threads
from flows.shards.actor import Assignment, ShardActor, Weights
from flows.shards.parcels import Row, shard_rows, unpack
from pipeline import errors
from pipeline.strategies.base import Arrays, QueryContext, ShardTask
from pipeline.strategies.shards import SHARD

LISTEN_SECONDS = 0.5
END_SECONDS = 30.0
_STEP = 4096  # shards of a small pool are multiples of it
_AHEAD = 2  # shards that wait at an actor


@dataclass
class Pass:
    """What one pass over a pool took.

    Attributes:
        actors: That worked on it.
        threads: Of each.
        shards: It was cut into.
        seconds: Wall time in all.
        start_seconds: Of it, until the first actor began.
        shard_seconds: Of all shards, on their actors.
        merge_seconds: In the parent.
    """

    actors: int
    threads: int
    shards: int
    seconds: float = 0.0
    start_seconds: float = 0.0
    shard_seconds: float = 0.0
    merge_seconds: float = 0.0


class RayShards:
    """A runner of shards; used as a context, whose end leaves the cluster.

    Args:
        weights: The model's file; None before there is a model.
        folder: Where large arrays of actors are kept for a moment; all machines see it.
        device: 'auto', 'cpu' or 'cuda'.
        actors: How many; 0 is one a GPU, or one a core where there is none.
        address: Of a cluster; None joins the one of RAY_ADDRESS, or starts Ray on this machine.
        size: Images a shard; 0 suits the pool and the actors.
        attempts: How often a shard is begun when its actors are lost: one that kills each shall not run for ever.
    """

    def __init__(
        self, weights: Weights | None, folder: Path, *, device: str = "auto", actors: int = 0,
        address: str | None = None, size: int = 0, attempts: int = 3,
    ) -> None:  # fmt: skip
        self.weights, self.folder, self.device, self.wanted, self.size = weights, folder, device, actors, size
        self.cluster = Cluster(address)
        self.attempts = attempts
        self.passes: list[Pass] = []
        self._told = (0, 0, "")
        self.left: dict[str, str] = {}

    def __enter__(self) -> RayShards:
        return self

    def __exit__(self, *error: object) -> None:
        self.cluster.stop()

    def leave(self, name: str, why: str) -> None:
        """Note that a strategy looks at the whole pool in this process, and why."""
        self.left[name] = why

    @property
    def figures(self) -> dict[str, Any]:
        """What a round's diagnostics say."""
        found: dict[str, Any] = {"runner": "ray", "shards": sum(one.shards for one in self.passes)}
        if self.passes:
            found |= {"actors": max(one.actors for one in self.passes)}
            found |= {"start_seconds": round(sum(one.start_seconds for one in self.passes), 3)}
        if self.left:
            found["in_one_process"] = {name: f"{name} ran in one process, for {why}" for name, why in self.left.items()}
        return found

    def run(self, task: ShardTask, context: QueryContext) -> Iterator[Arrays]:
        """Yield what the task gives for each shard, as they are done.

        Raises:
            PipelineError: What an actor raised.
            FlowError: Actors were lost again and again, or the cluster.
        """
        self.cluster.start()
        gpus = 0 if self.device == "cpu" else self.cluster.has("GPU")
        if self.device.startswith("cuda") and not gpus:
            raise UsageError("expected a cluster with GPUs for BORDERLINE_DEVICE=cuda, got none; do: use auto or cpu")
        cores = max(1, self.cluster.has("CPU"))
        actors = min(self.wanted or gpus or cores, gpus or cores)
        size = self.size or shard_size(len(context.pool), actors)
        made = Pass(min(actors, math.ceil(len(context.pool) / size)), 1, math.ceil(len(context.pool) / size))
        made.threads = max(1, min(cores // made.actors, self.cluster.smallest()))
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="shards-", ignore_cleanup_errors=True) as folder:
            assignment = self._assignment(task, context, Path(folder), "cuda" if gpus else "cpu", made.threads)
            yield from self._pass(assignment, context, size, made)
        self.passes.append(made)

    def _assignment(
        self, task: ShardTask, context: QueryContext, folder: Path, device: str, threads: int
    ) -> Assignment:
        if context.model is not None and self.weights is None:
            raise FlowError("expected the model's file for a ranking on Ray, got none; give it its weights")
        return Assignment(
            task=task, weights=None if context.model is None else self.weights, classes=context.classes,
            seed=context.seed, labeled_ids=context.labeled_ids, labeled_targets=context.labeled_targets,
            labeled_images=context.labeled_images, batch_size=context.batch_size, round_number=context.round_number,
            scratch=context.scratch, folder=folder, device=device, threads=threads,
            attempts=self.attempts,
        )  # fmt: skip

    def _pass(self, assignment: Assignment, context: QueryContext, size: int, made: Pass) -> Iterator[Arrays]:
        began, done, total = time.perf_counter(), 0, len(context.pool)
        stop, others = threading.Event(), set(threading.enumerate())
        dataset = self._dataset(assignment, context, size, made)
        self._told = (0, 0, f"starting {made.actors} actors")
        try:
            for place, row in enumerate(self._listen(dataset, context, stop)):
                seconds, now = float(row["seconds"]), time.perf_counter()
                if place == 0:
                    made.start_seconds = max(0.0, now - began - seconds)
                made.shard_seconds += seconds
                yield from _given(row)
                made.merge_seconds += time.perf_counter() - now
                done = min(total, done + size)
                self._told = (done, total, f"looking at the pool with {made.actors} actors")
                self._tell(context)
        finally:
            stop.set()
            _end(others)
            made.seconds = time.perf_counter() - began

    def _dataset(self, assignment: Assignment, context: QueryContext, size: int, made: Pass) -> Any:
        import ray.data

        _be_quiet(ray.data)
        rows = list(shard_rows(context.pool, size))
        return ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            ShardActor,
            fn_constructor_args=(assignment,),
            batch_size=1,
            batch_format="numpy",
            compute=ray.data.ActorPoolStrategy(size=made.actors, max_tasks_in_flight_per_actor=_AHEAD),
            num_cpus=made.threads,
            num_gpus=1 if assignment.device == "cuda" else 0,
            runtime_env=with_threads(made.threads),
        )

    def _tell(self, context: QueryContext) -> None:
        """Tell how far it is; raises to stop."""
        if context.on_progress is not None:
            context.on_progress(*self._told)

    def _listen(self, dataset: Any, context: QueryContext, stop: threading.Event) -> Iterator[Row]:
        """Yield rows as they come, and ask between them whether to go on."""
        post: queue.Queue[Row | Exception | None] = queue.Queue()
        threading.Thread(target=_read, args=(dataset, post, stop), name="ray-shards", daemon=True).start()
        while True:
            try:
                got = post.get(timeout=LISTEN_SECONDS)
            except queue.Empty:
                self._tell(context)
                continue
            if got is None:
                return
            if isinstance(got, self.cluster.ray.exceptions.RayError):
                raise FlowError(
                    f"the Ray cluster was lost ({type(got).__name__}); nothing of the ranking was written; "
                    "do: run the round again"
                ) from got
            if isinstance(got, Exception):
                raise got
            yield got


def shard_size(images: int, actors: int) -> int:
    """Return how many images a shard has: 65,536, and fewer where a small pool would leave an actor idle.

    >>> shard_size(1_000_000, 2), shard_size(60_000, 2), shard_size(300, 2)
    (65536, 16384, 4096)
    """
    even = math.ceil(images / (2 * actors) / _STEP) * _STEP
    return max(_STEP, min(SHARD, even))


def _read(dataset: Any, post: queue.Queue[Row | Exception | None], stop: threading.Event) -> None:
    try:
        for row in dataset.iter_rows():
            post.put(row)
            if stop.is_set():
                return
        post.put(None)
    except Exception as error:  # told to the thread that waits
        post.put(error)


def _end(others: set[threading.Thread]) -> None:
    """End the executors of Ray Data that began since these threads were seen, and wait for them.

    One that outlives `ray.shutdown` misses Ray's server, and Ray then ends this whole process after a minute. Until the
    first rows are there nothing but the thread itself leads to it.
    """
    for thread in threading.enumerate():
        if thread.name.startswith("StreamingExecutor") and thread not in others:
            cast(Any, thread).shutdown(force=True)
            thread.join(END_SECONDS)


def _given(row: Row) -> Iterator[Arrays]:
    """Yield the arrays of a shard and delete its files; raise what its actor raised."""
    if row["error"]:
        name, text = json.loads(row["error"])
        raise getattr(errors, name, FlowError)(text)
    arrays, files = unpack(row["parcel"])
    yield arrays
    for path in files:
        path.unlink(missing_ok=True)


def _be_quiet(data: Any) -> None:
    """Leave the terminal to our own progress."""
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
