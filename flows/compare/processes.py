"""Units in processes of this machine, one thread each: they die with their parent, however it dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from db import logs
from flows.compare.units import Ended, Event, Hear, UnitWork
from flows.errors import Canceled, FlowError

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

LISTEN_SECONDS = 0.2
STOP_SECONDS = 20.0
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_POST: Any = None  # in a worker: where events go
_STOP: Any = None  # in a worker: set when the parent wants an end


class Processes:
    """Processes by `concurrent.futures`, started fresh: a fork of a process that has threads may hang."""

    def __init__(self, size: int, check: Callable[[], None]) -> None:
        self.size = size
        self._check = check
        context = multiprocessing.get_context("spawn")
        self._post: SimpleQueue[Event] = context.SimpleQueue()
        self._stop = context.Event()
        given = (self._post, self._stop, os.getpid())
        self._pool = ProcessPoolExecutor(size, mp_context=context, initializer=_enlist, initargs=given)
        self._running: dict[Future[None], int] = {}
        self._hear: Hear = lambda event: None

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *error: object) -> None:
        """Ask the workers to stop at their next step, and end those that do not."""
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + STOP_SECONDS
        while self._alive() and time.monotonic() < deadline:
            self._drain(lambda event: None)  # a worker that waits for a reader would never end
            time.sleep(0.05)
        for process in self._alive():
            process.kill()

    def _alive(self) -> list[multiprocessing.process.BaseProcess]:
        return [process for process in multiprocessing.active_children() if process.name.startswith("SpawnProcess")]

    def begin(self, work: UnitWork, hear: Hear) -> None:
        """Hand a unit to a free worker."""
        self._hear = hear
        self._running[self._pool.submit(_work, work)] = work.number

    def wait(self) -> None:
        """Pass on what the workers sent.

        Raises:
            FlowError: A worker was killed.
        """
        self._check()
        ended, _ = wait(self._running, timeout=0 if self._drain(self._hear) else LISTEN_SECONDS)
        self._drain(self._hear)
        for future in ended:
            number = self._running.pop(future)
            try:
                future.result()
            except BrokenProcessPool as error:
                raise FlowError(
                    "a worker was killed, perhaps for its memory; what was made is kept; "
                    "do: give the command again, with fewer --workers"
                ) from error
            except Canceled as error:
                self._hear(Ended(number, str(error)))

    def _drain(self, hear: Hear) -> bool:
        """Pass on all that is there; return whether there was something."""
        found = False
        while not self._post.empty():
            found = True
            hear(self._post.get())
        return found


def _enlist(post: Any, stop: Any, parent: int) -> None:
    """Begin a worker: one thread for numbers, deaf to Ctrl-C (its parent hears it), gone when the parent is gone."""
    global _POST, _STOP
    _POST, _STOP = post, stop
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))  # before torch is imported
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.configure()
    threading.Thread(target=_follow, args=(parent,), name="parent-watch", daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LISTEN_SECONDS)
    os._exit(1)  # a killed parent leaves nothing running: the points it has not written are in the run's own file


def _work(work: UnitWork) -> None:
    from flows.compare.units import carry_out

    carry_out(work, _POST.put, _check_stop)


def _check_stop() -> None:
    if _STOP.is_set():
        raise Canceled("the comparison was stopped")
