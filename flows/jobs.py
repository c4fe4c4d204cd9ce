"""One live process a project's work: begin a job in SQL, keep it alive, end it, take over what a killed one left."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from db import jobs
from db.crash_points import JOB_PROGRESS, reach
from db.errors import StoreError
from db.records import Job
from flows.errors import AlreadyRunning, Canceled, FlowError
from flows.report import Reporter, TimeLeft
from flows.store import Store
from pipeline.errors import PipelineError

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5.0
KILLED = "its process was killed; it is taken up again"


def owner_name() -> str:
    """Return who this process is: host, process id and its start time, so that a reused id is not mistaken for it."""
    started = psutil.Process().create_time()
    return f"{socket.gethostname()}:{os.getpid()}:{started:.2f}"


def owner_is_dead(owner: str) -> bool:
    """Tell whether the named process ran on this machine and is gone (other machines cannot be seen)."""
    host, pid, started = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        process = psutil.Process(int(pid))
        return abs(process.create_time() - float(started)) > 1.0 or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class JobReporter:
    """Passes progress on to a reporter and to the job's row, and raises when the job was canceled or lost."""

    def __init__(self, store: Store, job: Job, reporter: Reporter) -> None:
        self.job = job
        self._store = store
        self._reporter = reporter
        self._latest = (0, 0, "starting")
        self._message = ""
        self._left = TimeLeft()
        self._lost = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="job-heartbeat", daemon=True)

    def progress(self, done: int, total: int, message: str) -> None:
        """Take note of the progress; the heartbeat writes it.

        Raises:
            Canceled: A person canceled the job, or its lease ran out and another process took it.
        """
        fresh, self._message = message != self._message, message
        self._latest = (done, total, self._left.added_to(message, done, total))
        if fresh:
            self._write()
        self.check()
        reach(JOB_PROGRESS)
        self._reporter.progress(done, total, message)

    def picture(self, name: str, png: bytes, caption: str) -> None:
        """Pass a picture on."""
        self._reporter.picture(name, png, caption)

    def check(self) -> None:
        """Raise `Canceled` when the job is no longer ours."""
        if self._lost.is_set():
            raise Canceled(f"the {self.job.kind} was canceled or taken over; what was saved is kept")

    def _write(self) -> None:
        if not jobs.heartbeat(self._store.database, self.job, *self._latest):
            self._lost.set()

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            try:
                self._write()
            except Exception:  # a heart that stops for good loses the job to another process while this one works on
                logger.exception("the store cannot be reached; the %s goes on and says so again", self.job.kind)

    def start(self) -> None:
        """Start the heartbeat."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the heartbeat."""
        self._stop.set()
        self._thread.join()


@contextmanager
def working(store: Store, project_id: int, kind: str, reporter: Reporter) -> Iterator[JobReporter]:
    """Hold a project's job of one kind while the block runs; its end, good or bad, is written to SQL.

    Raises:
        AlreadyRunning: A live process holds it.
    """
    job = _begin(store, project_id, kind)
    live = JobReporter(store, job, reporter)
    live.start()
    try:
        yield live
    except Canceled:
        live.stop()
        jobs.finish(store.database, job, "canceled")
        raise
    except BaseException as error:
        live.stop()
        jobs.finish(store.database, job, "failed", describe(error))
        raise
    live.stop()
    jobs.finish(store.database, job, "done")


def _begin(store: Store, project_id: int, kind: str) -> Job:
    owner = owner_name()
    job = jobs.begin(store.database, store.actor, project_id, kind, owner)
    if job is None:
        bury_the_dead(store, project_id)
        job = jobs.begin(store.database, store.actor, project_id, kind, owner)
    if job is None:
        raise AlreadyRunning(
            f"a {kind} of this project is running already; do: wait for it (borderline status shows it)"
        )
    return job


def bury_the_dead(store: Store, project_id: int | None = None) -> int:
    """Close the jobs whose process was killed on this machine, at once instead of after the lease. Returns how many."""
    dead = [job for job in jobs.running(store.database, project_id) if owner_is_dead(job.owner)]
    for job in dead:
        jobs.finish(store.database, job, "failed", KILLED)
    return len(dead)


def describe(error: BaseException) -> str:
    """Say an error in one line for the Progress page, without a traceback."""
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "stopped"
    text = str(error).strip().splitlines()
    if text and isinstance(error, FlowError | StoreError | PipelineError):
        return text[0][:500]
    return f"{type(error).__name__}: {text[0]}"[:500] if text else type(error).__name__
