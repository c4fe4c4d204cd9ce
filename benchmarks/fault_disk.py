"""Disks that are full: the database's, on both engines, and the one that checkpoints and models are written to."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from benchmarks.fault_compared import compared
from benchmarks.fault_rounds import finish_round, prepare, round_process
from benchmarks.fault_table import POSTGRESQL, SQLITE, Outcome, Stand, fault, stand
from benchmarks.fault_writers import Crew, crew, start_process
from tests.postgresql_cluster import Cluster

FULL_SECONDS = 1.0
FAILED = 4  # exit code of a round that ended with a sentence
SMALL_DISK = 96 * 2**20


def _until_full(team: Crew) -> bool:
    """Wait until nobody gets anything acknowledged for a second; returns whether there was work left."""
    while team.busy:
        before = len(team.journals().acknowledged)
        time.sleep(FULL_SECONDS)
        if team.busy and len(team.journals().acknowledged) == before and before:
            return True
    return False


def _limited(place: Stand, times: int, limit: str) -> Outcome:
    """Let all work against a limit until nothing goes any more, make room, and go on."""
    injected = 0
    with crew(place, 30 * times + 24) as team, place.open() as database:
        for _ in range(times):
            with database.engine.connect() as connection:
                pages = int(connection.execute(text("PRAGMA page_count")).scalar_one())
                size = int(connection.execute(text("PRAGMA page_size")).scalar_one())
                connection.execute(text("SELECT 1"))
            wal = (place.home / "borderline.db-wal").stat().st_size
            room = {"page_limit": pages + 6} if limit == "pages" else {"file_limit": max(pages * size, wal) + 6 * size}
            team.start(**room)
            injected += _until_full(team)
            for process in team.processes:
                if process is not None:
                    process.terminate()
                    process.join()
        team.start()
        return Outcome(injected, team.finish())


@fault(
    "SQLite's disk full, by pages",
    "`PRAGMA max_page_count`: SQLite says 'database or disk is full'; the answer is "
    "not acknowledged, and goes in when there is room",
    engines=(SQLITE,),
    count=6,
    small=1,
)
def sqlite_pages_full(place: Stand, times: int) -> Outcome:
    """Let the database file grow no more."""
    return _limited(place, times, "pages")


@fault(
    "SQLite's disk full, by file size",
    "RLIMIT_FSIZE on the writers: SQLite says 'disk I/O error' for the same cause",
    engines=(SQLITE,),
    count=6,
    small=1,
)
def sqlite_file_full(place: Stand, times: int) -> Outcome:
    """Let no file grow."""
    return _limited(place, times, "files")


def no_small_disk() -> str:
    """Say why no small disk can be mounted here; empty if it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "mounting a small disk takes root on Linux"
    probe = Path(tempfile.mkdtemp(prefix="borderline-"))
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(probe)], capture_output=True, check=False)
        if mounted.returncode:
            return "this container may not mount a small disk"
        subprocess.run(["umount", str(probe)], check=True)
        return ""
    finally:
        probe.rmdir()


@fault(
    "PostgreSQL's disk full",
    "its data folder on a small file system that a ballast fills under load: it stops, or "
    "refuses; room is made, it starts again",
    engines=(POSTGRESQL,),
    count=3,
    small=1,
    missing=no_small_disk,
)
def postgresql_disk_full(place: Stand, times: int) -> Outcome:
    """Fill the disk below a server again and again."""
    place.server.stop()
    with _on_small_disk(place) as cluster:
        small, injected = Stand(POSTGRESQL, cluster.admin, place.home, cluster), 0
        with crew(small, 60 * times + 60) as team:
            for _ in range(times):
                if not team.busy:
                    team.start()
                team.wait_for_answers(10)
                ballast = cluster.folder / "ballast"
                _fill(ballast)
                injected += _until_full(team)
                ballast.unlink()
                if not cluster.is_up():
                    cluster.start()
            return Outcome(injected, team.finish())


@contextmanager
def _on_small_disk(place: Stand) -> Iterator[Cluster]:
    """A copy of a stand's server whose folder is a small file system."""
    cluster = Cluster()
    owner = cluster.folder.stat()
    options = f"size={SMALL_DISK},mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(cluster.folder)], check=True)
    try:
        cluster.copy_from(place.server)
        cluster.start()
        yield cluster
    finally:
        if cluster.is_up():
            cluster.crash()
        subprocess.run(["umount", "-l", str(cluster.folder)], check=True)
        cluster.remove()


def _fill(ballast: Path) -> None:
    """Write until nothing fits any more."""
    with ballast.open("wb", buffering=0) as file:
        block = bytes(2**16)
        while True:
            try:
                file.write(block)
            except OSError:
                return


def round_on_full_disk(place: Stand, project_id: int, limit: int) -> None:
    """A round whose files may not grow beyond a limit: it must end with a sentence, not with half a file."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    database = place.home / "borderline.db"
    floor = database.stat().st_size + 2**22 if database.exists() and limit > 2**22 else limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (min(limit, floor), resource.RLIM_INFINITY))
    try:
        round_process(place, project_id)
    except OSError:
        sys.exit(FAILED)


@fault(
    "disk full while a model is written",
    "RLIMIT_FSIZE below a checkpoint's size: the round fails with a sentence, "
    "the last good files stay, the rerun equals an unkilled run",
    engines=(POSTGRESQL,),
    count=5,
    small=1,
)
def model_disk_full(place: Stand, times: int) -> Outcome:
    """Fail to write a checkpoint, then run the round again with room; the labels are on another disk."""
    injected, strange = 0, []
    with stand(SQLITE) as whole:
        project, _ = prepare(place), prepare(whole)
        for _ in range(times):
            process = start_process(round_on_full_disk, place, project.id, 20_000)
            process.join(600)
            injected += process.exitcode == FAILED
            if process.exitcode != FAILED:
                strange.append(f"exit code {process.exitcode}")
            if left := list(place.home.rglob("*.tmp")):
                strange.append(f"left behind: {left[0].name}")
            finish_round(place, project)
            finish_round(whole, project)
        outcome = compared(place, whole, injected)
    outcome.found.what += strange
    outcome.found.not_rebuilt += len(strange)
    return outcome
