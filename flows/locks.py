"""Guards on one machine that a killed process cannot leave behind: advisory file locks of the kernel."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from flows.errors import AlreadyRunning
from flows.store import Store

POLL_SECONDS = 0.2


@contextmanager
def file_lock(
    path: Path, *, wait: bool = True, while_waiting: Callable[[], None] | None = None, shared: bool = False
) -> Iterator[bool]:
    """Hold a lock on a file; the kernel frees it when the process dies, however it dies.

    Args:
        path: The lock file; made when missing, never removed.
        wait: Wait for the lock; False returns at once.
        while_waiting: Called every 0.2 s of waiting; may raise to give up.
        shared: Others may share it; only those who want it for themselves wait.

    Yields:
        True with the lock held; False when ``wait`` is False and somebody else holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        held = _try(handle, shared)
        while not held and wait:
            if while_waiting is not None:
                while_waiting()
            time.sleep(POLL_SECONDS)
            held = _try(handle, shared)
        yield held
    finally:
        os.close(handle)


def files_in_use(store: Store) -> AbstractContextManager[bool]:
    """Keep the files of the home folder from being cleared away while work writes them or a backup reads them."""
    return file_lock(store.settings.run_folder / "files.lock", shared=True)


@contextmanager
def files_alone(store: Store) -> Iterator[None]:
    """Have the files of the home folder to oneself, to clear leftovers away; work that begins meanwhile waits.

    Raises:
        AlreadyRunning: Work or a backup is under way on this machine.
    """
    with file_lock(store.settings.run_folder / "files.lock", wait=False) as held:
        if not held:
            raise AlreadyRunning("work or a backup is under way (borderline status shows it); do: try again afterwards")
        yield


def _try(handle: int, shared: bool) -> bool:
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
