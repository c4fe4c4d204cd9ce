"""Who carries out the units: this process, processes of this machine, or a Ray cluster. All send points to the parent.

Only the parent writes to SQL. Workers on other machines could not reach an embedded database, one writer never waits
for another, and a point is committed milliseconds after it was made. What a killed parent did not commit lies in the
run's own file, from where it is handed over when the run goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal, Protocol

from flows.compare.units import Hear, UnitWork, carry_out
from flows.errors import UsageError

Runner = Literal["local", "ray"]


class Crew(Protocol):
    """Carries out units; used as a context, whose end stops what still runs."""

    size: int

    def __enter__(self) -> Crew: ...

    def __exit__(self, *error: object) -> None: ...

    def begin(self, work: UnitWork, hear: Hear) -> None:
        """Start a unit; `hear` is called in this process and thread, during this call or `wait`."""

    def wait(self) -> None:
        """Pass on what happened; returns after a fifth of a second if nothing did."""


class InProcess:
    """One unit after the other in this process: on a GPU, where seeds train together, and with one worker."""

    size = 1

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def begin(self, work: UnitWork, hear: Hear) -> None:
        """Run the unit to its end."""
        carry_out(work, hear, self._check)

    def wait(self) -> None:
        """Nothing goes on between two units."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_crew(
    runner: Runner, *, workers: int, units: int, device: str, check: Callable[[], None], address: str | None = None
) -> Crew:
    """Return who carries out the units.

    Args:
        runner: 'local' or 'ray'.
        workers: Processes; 0 is one a core. On a GPU it is always one, which keeps the chip full.
        units: How many there are to do.
        device: Where to compute.
        check: Called at every step; raises to stop.
        address: Of a Ray cluster; None starts Ray on this machine unless one is there.

    Raises:
        UsageError: Ray is asked for and not installed.
    """
    wanted = max(1, min(workers or cores(), units))
    if runner == "ray":
        from flows.compare.ray_crew import RayCrew

        return RayCrew(workers, device=device, check=check, address=address)
    if device != "cpu" and workers > 1:
        raise UsageError("expected 1 worker on a GPU, where all seeds of an arm train as one program; leave --workers")
    if wanted == 1 or device != "cpu":
        return InProcess(check)
    from flows.compare.processes import Processes

    return Processes(wanted, check)
