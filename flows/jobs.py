"""One live process a project's work: begin a job in SQL, keep it alive, end it, take over what a killed one left."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from db import jobs, logs
from db.crash_points import JOB_PROGRESS, reach
from db.errors import StoreError
from db.records import Job
from db.space import require_disk, require_quota
from flows.errors import AlreadyRunning, Canceled, FlowError
from flows.locks import files_in_use
from flows.report import Reporter, TimeLeft
from flows.retries import KILLED, told
from flows.store import Store
from pipeline.errors import PipelineError

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5.0


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
            NoSpace: The disk is nearly full: what comes next is not begun.
        """
        fresh, self._message = message != self._message, message
        self._latest = (done, total, self._left.added_to(message, done, total))
        if fresh:
            self._write()
        self.check()
        if self.job.project_id is not None:
            require_disk(self._store.settings.home, self._store.settings.free_space_floor)
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
def working(store: Store, project_id: int | None, kind: str, reporter: Reporter) -> Iterator[JobReporter]:
    """Hold a project's job of one kind (None: of no project) while the block runs; its end is written to SQL.

    Work of a project needs room on the disk and in the project's quota when it begins, and on the disk at every step.

    Raises:
        AlreadyRunning: A live process holds it.
        NoSpace: The disk is nearly full, or the project has all that it may have.
    """
    with files_in_use(store):
        yield from _held(store, _begin(store, project_id, kind), reporter)


def _held(store: Store, job: Job, reporter: Reporter) -> Iterator[JobReporter]:
    live = JobReporter(store, job, reporter)
    live.start()
    try:
        require_room(store, job.project_id)
        with logs.context(project_id=job.project_id, job_id=job.id):
            yield live
    except Canceled:
        live.stop()
        jobs.finish(store.database, job, "canceled")
        raise
    except BaseException as error:
        live.stop()
        jobs.finish(store.database, job, "failed", told(error, describe(error), job.attempt))
        raise
    live.stop()
    jobs.finish(store.database, job, "done")


def require_room(store: Store, project_id: int | None) -> None:
    """Refuse work of a project that would fill the disk or go beyond the project's quota.

    Raises:
        NoSpace: It would.
    """
    if project_id is not None:
        settings = store.settings
        require_disk(settings.home, settings.free_space_floor)
        require_quota(store.database, project_id, settings.project_quota)


def _begin(store: Store, project_id: int | None, kind: str) -> Job:
    owner = owner_name()
    job = jobs.begin(store.database, store.actor, project_id, kind, owner)
    if job is None:
        bury_the_dead(store, project_id)
        job = jobs.begin(store.database, store.actor, project_id, kind, owner)
    if job is None:
        what = "round or training" if kind in jobs.TRAINS else kind
        whose = "" if project_id is None else " of this project"
        raise AlreadyRunning(f"a {what}{whose} is running already; do: wait for it (borderline status shows it)")
    return job


def bury_the_dead(store: Store, project_id: int | None = None) -> int:
    """Close the jobs whose process was killed: on this machine at once, on any other once its lease ran out.

    Returns:
        How many.
    """
    dead = [job for job in jobs.running(store.database, project_id) if owner_is_dead(job.owner)]
    for job in dead:
        jobs.finish(store.database, job, "failed", KILLED)
    return len(dead) + jobs.end_silent(store.database)


def describe(error: BaseException) -> str:
    """Say an error in one line for the Progress page, without a traceback."""
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "stopped"
    text = str(error).strip().splitlines()
    if text and isinstance(error, FlowError | StoreError | PipelineError):
        return text[0][:500]
    return f"{type(error).__name__}: {text[0]}"[:500] if text else type(error).__name__
