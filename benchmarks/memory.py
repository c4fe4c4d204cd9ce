"""Time and peak memory of a piece of work, in the running process.

On a GPU the peak is `torch.cuda.max_memory_allocated`, reset before. On Linux it is the process's high-water mark
(VmHWM, reset through /proc/self/clear_refs): everything that is resident, the interpreter, torch's libraries and the
pages read of memory-mapped files included, so it is never too low. Elsewhere it is the mark since the process began.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import timed

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Measured:
    """What came of a piece of work.

    Attributes:
        seconds: Median wall time.
        result: Of the last run.
        peak_mb: Most memory held, in MB of 2**20 bytes.
        added_mb: What of it was not held before.
    """

    seconds: float
    result: Any
    peak_mb: float
    added_mb: float


def measured(work: Callable[[], Any], repeats: int = 1) -> Measured:
    """Run a piece of work, some times over, and measure it."""
    before = _start()
    seconds, result = timed(work, repeats)
    peak = _peak()
    return Measured(seconds, result, peak, max(0.0, peak - before))


def _start() -> float:
    """Give unused memory back, reset the high-water mark, and return what is held now."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated() / 2**20
    if not _STATUS.exists():
        return _peak()
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    try:
        _CLEAR.write_text("5")
    except OSError:
        return _peak()
    return _status("VmRSS")


def _peak() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _status(name: str) -> float:
    """Return a line of /proc/self/status in MB; 0 where there is none."""
    lines = _STATUS.read_text().splitlines() if _STATUS.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:")), 0.0)
