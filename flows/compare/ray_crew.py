"""Units on a Ray cluster, or on a Ray of this machine: the same function; ids, paths and points are all that travels.

BORDERLINE_HOME must be a folder that all machines see under the same path, for workers read images and keep their
runs' files there; only the parent opens the database.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flows.compare.units import Ended, Hear, UnitWork, carry_out
from flows.errors import FlowError, UsageError

if TYPE_CHECKING:
    from types import ModuleType

LISTEN_SECONDS = 0.2


def _ray() -> ModuleType:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
        import ray.util.queue
    except ImportError as error:
        raise UsageError(
            "expected Ray for --runner ray, got none; do: pip install 'borderline[cluster]', or --runner local"
        ) from error
    return ray


class RayCrew:
    """One Ray task a unit, with one core, and on GPUs with one GPU.

    Args:
        workers: Tasks at a time; 0 takes what the cluster has.
        device: Where to compute.
        check: Called while waiting; raises to stop.
        address: Of a cluster; None joins the one of RAY_ADDRESS, or starts Ray on this machine.
    """

    def __init__(self, workers: int, *, device: str, check: Callable[[], None], address: str | None = None) -> None:
        self._ray = _ray()
        self._check, self._device = check, device
        self._ours = not self._ray.is_initialized()
        self._address, self._wanted = address or os.environ.get("RAY_ADDRESS"), workers
        self.size = max(1, workers)
        self._running: dict[Any, int] = {}
        self._hear: Hear = lambda event: None

    def __enter__(self) -> RayCrew:
        if self._ours:
            local = {} if self._address else {"num_cpus": self._wanted or None, "include_dashboard": False}
            self._ray.init(address=self._address, log_to_driver=False, **local)
        gpus = 0 if self._device == "cpu" else 1
        self.size = self._wanted or max(1, int(self._ray.cluster_resources().get("GPU" if gpus else "CPU", 1)))
        threads = {"env_vars": {"OMP_NUM_THREADS": "1"}} if not gpus else {}
        self._task = self._ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0, runtime_env=threads)(_work)
        self._post = self._ray.util.queue.Queue(actor_options={"num_cpus": 0})
        return self

    def __exit__(self, *error: object) -> None:
        """End what still runs; a Ray that was started here ends too."""
        for task in self._running:
            self._ray.cancel(task, force=True)
        self._post.shutdown(force=True)
        if self._ours:
            self._ray.shutdown()

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
