"""Faults of the store: writers killed at random and at named moments, databases crashed, clocks off, disks slow."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace

import numpy as np
from sqlalchemy import text

from benchmarks.fault_table import POSTGRESQL, SQLITE, Outcome, Stand, fault
from benchmarks.fault_writers import CREW, FINISH_SECONDS, Crew, crew, kill, start_process, victims
from benchmarks.fault_writers import annotate as annotate_here
from db.crash_points import AFTER_COMMIT, BEFORE_COMMIT

ANSWERS_BETWEEN = 6
PG_CRASH = {"engines": (POSTGRESQL,)}


def queries_for(times: int) -> int:
    """Return how many queries keep a crew busy through so many faults."""
    return 24 + 10 * times


@fault(
    "writer killed at random",
    "SIGKILL of a process that answers, at a random moment",
    count=120,
    small=6,
    tested=(SQLITE,),
)
def writer_killed_at_random(stand: Stand, times: int) -> Outcome:
    """Kill one of four annotators now and then; whoever died goes on from its journal."""
    choose, injected = np.random.default_rng(0), 0
    with crew(stand, queries_for(times)) as team:
        team.start()
        while injected < times and team.busy:
            team.wait_for_answers(2)
            time.sleep(choose.uniform(0.0, 0.05))
            for place in victims(team, choose)[:1]:
                process = team.processes[place]
                injected += process is not None and kill(process)
            team.restart_dead()
        return Outcome(injected, team.finish())


def _at_point(stand: Stand, point: str, times: int) -> Outcome:
    """Let each annotator die at a named moment of a random transaction (a claim's or an answer's), again and again."""
    choose, injected = np.random.default_rng(1), 0
    with crew(stand, queries_for(times)) as team:
        team.processes = [None] * CREW
        while injected < times:
            for place in range(CREW):
                moment = f"{point}:{choose.integers(1, 7)}"
                process = start_process(annotate_here, _with(team, place, moment))
                process.join(FINISH_SECONDS)
                injected += process.exitcode == -signal.SIGKILL
        team.start()
        return Outcome(injected, team.finish())


def _with(team: Crew, place: int, moment: str) -> object:
    return replace(team.writers[place], crash_at=moment)


@fault(
    "writer killed before COMMIT",
    "SIGKILL at `before_commit`: nothing may be stored",
    count=60,
    small=4,
    tested=(POSTGRESQL,),
)
def writer_killed_before_commit(stand: Stand, times: int) -> Outcome:
    """Die with everything written and nothing committed."""
    return _at_point(stand, BEFORE_COMMIT, times)


@fault(
    "writer killed after COMMIT, before the acknowledgment",
    "SIGKILL at `after_commit`: stored, and nobody knows; the repeat under the same id must have no second effect",
    count=60,
    small=4,
)
def writer_killed_after_commit(stand: Stand, times: int) -> Outcome:
    """Die with everything committed and nobody told."""
    return _at_point(stand, AFTER_COMMIT, times)


def _crash_server(stand: Stand, times: int, how: str, *, careless: bool = False) -> Outcome:
    choose, server, injected = np.random.default_rng(2), stand.server, 0
    with crew(stand, queries_for(4 * times)) as team:
        team.start(careless=careless)
        while injected < times and team.busy:
            team.wait_for_answers(ANSWERS_BETWEEN)
            time.sleep(choose.uniform(0.0, 0.3))
            if not team.busy:
                break
            getattr(server, how)()
            injected += 1
            server.start()
        return Outcome(injected, team.finish())


@fault(
    "PostgreSQL stopped at once", "`pg_ctl stop -m immediate` under load, then a start", count=20, small=2, **PG_CRASH
)
def postgresql_restart(stand: Stand, times: int) -> Outcome:
    """Stop the server without any ceremony, under four annotators, and start it again."""
    return _crash_server(stand, times, "crash")


@fault(
    "PostgreSQL stopped at once, control",
    "the same with `synchronous_commit=off`, which promises less: this run must lose answers, else it tests nothing",
    count=20,
    small=3,
    control=True,
    settings=("wal_writer_delay=10s", "wal_writer_flush_after=1GB"),
    **PG_CRASH,
)
def postgresql_restart_control(stand: Stand, times: int) -> Outcome:
    """Acknowledge before the disk has it: the same crashes lose answers."""
    return _crash_server(stand, times, "crash", careless=True)


@fault("postmaster killed", "SIGKILL of PostgreSQL's first process, then a start", count=10, small=1, **PG_CRASH)
def postmaster_killed(stand: Stand, times: int) -> Outcome:
    """Kill the server's first process; its backends end by themselves."""
    return _crash_server(stand, times, "kill_postmaster")


@fault(
    "backend killed",
    "SIGKILL of the server's process of one connection: all connections break",
    count=20,
    small=2,
    **PG_CRASH,
)
def backend_killed(stand: Stand, times: int) -> Outcome:
    """Kill a backend: PostgreSQL ends all others and recovers by itself."""
    choose, injected = np.random.default_rng(3), 0
    with crew(stand, queries_for(4 * times)) as team:
        team.start()
        while injected < times and team.busy:
            team.wait_for_answers(ANSWERS_BETWEEN)
            time.sleep(choose.uniform(0.0, 0.1))
            for backend in list(stand.server.backends())[:1]:
                os.kill(backend.pid, signal.SIGKILL)
                injected += 1
        return Outcome(injected, team.finish())


@fault(
    "connections ended by the administrator",
    "`pg_terminate_backend` of all annotators between two statements",
    count=40,
    small=3,
    **PG_CRASH,
)
def connections_ended(stand: Stand, times: int) -> Outcome:
    """End every annotator's connection wherever it is."""
    choose, injected = np.random.default_rng(4), 0
    with crew(stand, queries_for(2 * times)) as team, stand.open() as database:
        team.start()
        while injected < times and team.busy:
            team.wait_for_answers(3)
            time.sleep(choose.uniform(0.0, 0.05))
            end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND " \
                  "backend_type = 'client backend'"  # fmt: skip
            with database.engine.connect() as connection:
                injected += int(connection.execute(text(end)).scalar_one() > 0)
        return Outcome(injected, team.finish())


@fault(
    "writer stopped in the middle",
    "SIGSTOP of an annotator for a second, SQLite's write lock or PostgreSQL's row "
    "locks in its hand: what a disk that hangs looks like to the others",
    count=20,
    small=2,
    tested=(SQLITE,),
)
def writer_stopped(stand: Stand, times: int) -> Outcome:
    """Stop an annotator wherever it is, and let it go on a second later."""
    choose, injected = np.random.default_rng(5), 0
    with crew(stand, queries_for(2 * times)) as team:
        team.start()
        while injected < times and team.busy:
            team.wait_for_answers(2)
            for place in victims(team, choose)[:1]:
                process = team.processes[place]
                if process is None or process.pid is None:
                    continue
                os.kill(process.pid, signal.SIGSTOP)
                time.sleep(1.0)
                os.kill(process.pid, signal.SIGCONT)
                injected += 1
        return Outcome(injected, team.finish())
