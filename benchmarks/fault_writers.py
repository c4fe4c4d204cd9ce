"""Annotators as real processes on the store's own functions, each with a journal: killed, they are started again.

Processes are forked from a clean one that has everything imported, so that a start takes milliseconds.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fault_table import Stand
from benchmarks.invariants import Found, check
from benchmarks.journal import Journal, Read, Tried, read_journals
from benchmarks.store_workers import OVERLAP, make_project
from db import access, annotations, claims, connections
from db.crash_points import CRASH_AT
from db.engine import Database
from db.errors import Conflict, StoreBusy, StoreFull
from db.records import Actor, Answer

CREW, WINDOW = 4, 4
PRELOADED = ["benchmarks.fault_writers", "benchmarks.fault_rounds"]
FINISH_SECONDS = 300.0


@dataclass(frozen=True)
class Writer:
    """One annotator's process: where it works, as whom, and what is odd about it.

    Attributes:
        url: The database's address; None is SQLite in `home`.
        home: The home folder.
        project_id: What it answers.
        name: Its user.
        journal: Its file.
        classes: Ids to answer with.
        crash_at: A named moment to die at; see `db.crash_points`.
        clock: Seconds that this process's clock is off.
        file_limit: Bytes that a file may grow to (RLIMIT_FSIZE): a disk that is full.
        page_limit: Pages that the SQLite file may grow to.
        careless: Commit without waiting for the disk (`synchronous_commit=off`): the losing control.
    """

    url: str | None
    home: Path
    project_id: int
    name: str
    journal: Path
    classes: tuple[int, ...]
    crash_at: str = ""
    clock: float = 0.0
    file_limit: int = 0
    page_limit: int = 0
    careless: bool = False


def annotate(writer: Writer) -> None:
    """Send again what was not acknowledged, then claim and answer until nothing is left."""
    _prepare(writer)
    database = Database.open(writer.url, home=writer.home, migrate=False)
    actor = _patiently(lambda: access.local_user(database, writer.name))
    journal = Journal(writer.journal)
    for entry in read_journals([writer.journal]).open:
        _send(database, actor, writer, journal, entry)
    while held := _patiently(lambda: claims.claim(database, actor, writer.project_id, WINDOW)):
        for query in held:
            class_id = writer.classes[query.query_id % len(writer.classes)]
            entry = Tried(str(uuid.uuid4()), query.query_id, query.token, class_id)
            journal.tried(entry)
            _send(database, actor, writer, journal, entry)


def _send(database: Database, actor: Actor, writer: Writer, journal: Journal, entry: Tried) -> None:
    """Send one answer under its id until the store says yes or no for good."""
    answer = Answer(
        answer_id=entry.answer_id, query_id=entry.query_id, token=entry.token, outcome="class", class_id=entry.class_id
    )
    try:
        _patiently(lambda: annotations.submit(database, actor, writer.project_id, answer))
    except Conflict:
        journal.refused(entry.answer_id)
    else:
        journal.acknowledged(entry.answer_id)


def _patiently(work: Any) -> Any:
    """Ask again while the store says that it is busy or full, as a person does."""
    while True:
        try:
            return work()
        except (StoreBusy, StoreFull):
            time.sleep(0.05)


def _prepare(writer: Writer) -> None:
    if writer.crash_at:
        os.environ[CRASH_AT] = writer.crash_at
    if writer.clock:
        now, now_ns = time.time, time.time_ns
        time.time = lambda: now() + writer.clock
        time.time_ns = lambda: now_ns() + int(1e9 * writer.clock)
    if writer.careless:
        connections.POSTGRESQL_SETTINGS["synchronous_commit"] = "off"
    if writer.page_limit:
        connections.SQLITE_PRAGMAS["max_page_count"] = writer.page_limit
    if writer.file_limit:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (writer.file_limit, resource.RLIM_INFINITY))


def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def start_process(work: Any, *arguments: Any) -> BaseProcess:
    """Start a process forked from a clean one that has the heavy parts imported."""
    process: BaseProcess = _context().Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def kill(process: BaseProcess) -> bool:
    """SIGKILL a process; returns whether it was still alive."""
    alive = process.is_alive()
    if process.pid is not None and alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    process.join()
    return process.exitcode == -signal.SIGKILL


@dataclass
class Crew:
    """All annotators of a project, as processes."""

    stand: Stand
    writers: list[Writer]
    processes: list[BaseProcess | None] = field(default_factory=list)

    def start(self, **changes: Any) -> None:
        """Start everybody, with these changes to what is odd about them."""
        self.processes = [start_process(annotate, replace(writer, **changes)) for writer in self.writers]

    def restart_dead(self) -> int:
        """Start again whoever was killed; returns how many.

        Raises:
            RuntimeError: Somebody was not killed but failed: the store raised what a client cannot wait out.
        """
        dead = 0
        for place, process in enumerate(self.processes):
            if process is not None and not process.is_alive() and process.exitcode != 0:
                if process.exitcode == 1:
                    raise RuntimeError(f"{self.writers[place].name} failed; its error is above")
                dead += 1
                self.processes[place] = start_process(annotate, self.writers[place])
        return dead

    @property
    def busy(self) -> bool:
        """Whether anybody still works."""
        return any(process is not None and process.is_alive() for process in self.processes)

    def journals(self) -> Read:
        """Read everybody's journal."""
        return read_journals(writer.journal for writer in self.writers)

    def wait_for_answers(self, more: int) -> None:
        """Wait until so many more answers were acknowledged, or everybody is done."""
        wanted = len(self.journals().acknowledged) + more
        deadline = time.monotonic() + FINISH_SECONDS
        while len(self.journals().acknowledged) < wanted and self.busy and time.monotonic() < deadline:
            time.sleep(0.01)

    def finish(self) -> Found:
        """Let everybody work to the end, without any fault, and count what is broken."""
        deadline = time.monotonic() + FINISH_SECONDS
        while (self.restart_dead() or self.busy) and time.monotonic() < deadline:
            time.sleep(0.02)
        for process in self.processes:
            if process is not None and process.is_alive():
                kill(process)
        with self.stand.open() as database:
            return check(database, self.journals())


@contextmanager
def crew(stand: Stand, queries: int, people: int = CREW) -> Iterator[Crew]:
    """A project whose round asks so many images of two people each, and its annotators, not started yet."""
    with stand.open() as database:
        project = make_project(database, "faults", queries, overlap=OVERLAP)
        names = [f"annotator {number}" for number in range(people)]
        for name in names:
            access.local_user(database, name)
    classes = tuple(entry.id for entry in project.classes)
    base = {"url": stand.url, "home": stand.home, "project_id": project.id, "classes": classes}
    writers = [Writer(**base, name=name, journal=stand.home / f"{name}.journal") for name in names]
    team = Crew(stand, writers)
    try:
        yield team
    finally:
        for process in team.processes:
            if process is not None and process.is_alive():
                kill(process)


def victims(team: Crew, choose: np.random.Generator) -> Sequence[int]:
    """Return the places of annotators who are at work, in random order."""
    alive = [place for place, process in enumerate(team.processes) if process is not None and process.is_alive()]
    choose.shuffle(alive)
    return alive
