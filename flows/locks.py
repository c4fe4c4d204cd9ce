"""Guards on one machine that a killed process cannot leave behind: advisory file locks of the kernel."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from flows.report import Reporter
from flows.store import Store

POLL_SECONDS = 0.2


@contextmanager
def file_lock(path: Path, *, wait: bool = True, while_waiting: Callable[[], None] | None = None) -> Iterator[bool]:
    """Hold an exclusive lock on a file; the kernel frees it when the process dies, however it dies.

    Args:
        path: The lock file; made when missing, never removed.
        wait: Wait for the lock; False returns at once.
        while_waiting: Called every 0.2 s of waiting; may raise to give up.

    Yields:
        True with the lock held; False when ``wait`` is False and another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        held = _try(handle)
        while not held and wait:
            if while_waiting is not None:
                while_waiting()
            time.sleep(POLL_SECONDS)
            held = _try(handle)
        yield held
    finally:
        os.close(handle)


def device_slot(store: Store, reporter: Reporter) -> AbstractContextManager[bool]:
    """Hold the one slot of this machine's device: the lock is the kernel's, so a killed holder frees it."""

    def waiting() -> None:
        reporter.progress(0, 0, "waiting for the device")

    return file_lock(store.settings.run_folder / "device.lock", while_waiting=waiting)


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
