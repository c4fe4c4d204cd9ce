"""Units on a Ray cluster, or on a Ray of this machine: the same function; ids, paths and points are all that travels.

BORDERLINE_HOME must be a folder that all machines see under the same path, for workers read images and keep their
runs' files there; only the parent opens the database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flows.compare.units import Ended, Hear, UnitWork, carry_out
from flows.errors import FlowError
from flows.ray_cluster import Cluster, with_threads

LISTEN_SECONDS = 0.2


class RayCrew:
    """One Ray task a unit, with one core, and on GPUs with one GPU.

    Args:
        workers: Tasks at a time; 0 takes what the cluster has.
        device: Where to compute.
        check: Called while waiting; raises to stop.
        address: Of a cluster; None joins the one of RAY_ADDRESS, or starts Ray on this machine.
    """

    def __init__(self, workers: int, *, device: str, check: Callable[[], None], address: str | None = None) -> None:
        self._cluster = Cluster(address, workers)
        self._ray = self._cluster.ray
        self._check, self._device, self._wanted = check, device, workers
        self.size = max(1, workers)
        self._running: dict[Any, int] = {}
        self._hear: Hear = lambda event: None

    def __enter__(self) -> RayCrew:
        self._cluster.start()
        gpus = 0 if self._device == "cpu" else 1
        self.size = self._wanted or max(1, self._cluster.has("GPU" if gpus else "CPU"))
        threads = {} if gpus else with_threads(1)
        self._task = self._ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0, runtime_env=threads)(_work)
        self._post = self._ray.util.queue.Queue(actor_options={"num_cpus": 0})
        return self

    def __exit__(self, *error: object) -> None:
        """End what still runs; a Ray that was started here ends too."""
        for task in self._running:
            self._ray.cancel(task, force=True)
        self._post.shutdown(force=True)
        self._cluster.stop()

    def begin(self, work: UnitWork, hear: Hear) -> None:
        """Hand a unit to the cluster."""
        self._hear = hear
        self._running[self._task.remote(work, self._post)] = work.number

    def wait(self) -> None:
        """Pass on what the workers sent.

        Raises:
            FlowError: A worker was killed.
        """
        self._check()
        tasks = list(self._running)
        ended, _ = self._ray.wait(tasks, num_returns=1, timeout=LISTEN_SECONDS) if tasks else ([], [])
        while waiting := self._post.qsize():
            for event in self._post.get_nowait_batch(waiting):
                self._hear(event)
        for task in ended:
            number = self._running.pop(task)
            try:
                self._ray.get(task)
            except self._ray.exceptions.RayTaskError as error:
                self._hear(Ended(number, str(error.cause)))
            except self._ray.exceptions.RayError as error:
                raise FlowError(
                    f"a Ray worker was lost ({type(error).__name__}); what was made is kept; do: give the command again"
                ) from error


def _work(work: UnitWork, post: Any) -> None:
    carry_out(work, post.put, _never)


def _never() -> None:
    """Ray ends a task by itself when its parent is gone or cancels it."""
