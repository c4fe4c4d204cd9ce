"""Starts Ray on this machine or joins a cluster, for comparisons and rankings alike; its telemetry is off."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from flows.errors import FlowError, UsageError

if TYPE_CHECKING:
    from types import ModuleType

logger = logging.getLogger(__name__)

_STARTS = 3  # Ray gives itself 15 seconds for a part of its start, which a busy machine does not always keep


def import_ray() -> ModuleType:
    """Return Ray.

    Raises:
        UsageError: It is not installed.
    """
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


class Cluster:
    """A connection to Ray: what was started or joined here ends here, and what was there before stays.

    Args:
        address: Of a cluster; None joins the one of RAY_ADDRESS, or starts Ray on this machine.
        cores: Of this machine that a Ray started here may use; 0 is all.
    """

    def __init__(self, address: str | None = None, cores: int = 0) -> None:
        self.ray = import_ray()
        self.ours = not self.ray.is_initialized()
        self.address, self.cores = address or os.environ.get("RAY_ADDRESS"), cores

    def start(self) -> None:
        """Start or join.

        Raises:
            FlowError: Ray does not start, or nobody answers at the address.
        """
        if self.ray.is_initialized():
            return
        local = {} if self.address else {"num_cpus": self.cores or None, "include_dashboard": False}
        for left in reversed(range(1 if self.address else _STARTS)):
            try:
                self.ray.init(address=self.address, log_to_driver=False, logging_level=logging.ERROR, **local)
                return
            except Exception as error:  # Ray raises plain ones, too
                if left:
                    logger.warning("Ray did not start, as on a busy machine; it is tried again: %s", error)
                    continue
                where = f"at {self.address}" if self.address else "on this machine"
                raise FlowError(
                    f"expected to reach Ray {where}, got: {error}; start it there, or give --runner local"
                ) from error

    def stop(self) -> None:
        """Leave; what still runs for us there ends."""
        if self.ours:
            self.ray.shutdown()

    def has(self, kind: str) -> int:
        """Return how many of a resource, 'CPU' or 'GPU', the cluster has."""
        return int(self.ray.cluster_resources().get(kind, 0))

    def smallest(self) -> int:
        """Return the cores of the smallest machine that has any."""
        return min(
            (int(node["Resources"]["CPU"]) for node in self.ray.nodes() if node["Resources"].get("CPU")), default=1
        )


def with_threads(count: int) -> dict[str, Any]:
    """Return Ray's `runtime_env` of a worker that computes in so many threads."""
    return {"env_vars": {"OMP_NUM_THREADS": str(count)}}
