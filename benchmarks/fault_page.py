"""Faults of the page: its process killed under a team at the HTTP API, and settings or secrets that are damaged."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.fault_rounds import IMAGES, FewDigits, settings_of
from benchmarks.fault_table import POSTGRESQL, SQLITE, Outcome, Stand, fault
from benchmarks.invariants import Found, check
from benchmarks.journal import Read
from benchmarks.soak_site import wait_for_page
from benchmarks.team import team
from db import crash_points, projects
from db.records import Project, ProjectSpec
from flows.ingest import IngestOptions, ingest_source
from flows.processes import Service, any_port
from flows.report import SilentReporter
from flows.rounds import Batch, run_round
from flows.settings import Settings
from flows.store import open_store

PACE = 0.05
SENTENCE_SECONDS = 120


def wide_project(place: Stand) -> Project:
    """Make a project whose one round asks almost all of its images, of two people each."""
    with open_store(settings_of(place), system=True) as store:
        spec = ProjectSpec(
            name="digits", classes=tuple("0123456789"), image_size=16, channels=1, model="lenet5", overlap=2,
            strategy="random_sampling", cold_start="random_sampling", batch_size=IMAGES, reserve_size=0,
        )  # fmt: skip
        project = projects.create_project(store.database, store.actor, spec)
        ingest_source(store, project.id, FewDigits(), IngestOptions(labels="hide"), SilentReporter())
        run_round(store, project.id, SilentReporter(), Batch(first=IMAGES, size=IMAGES, reserve=0))
        return project


@contextmanager
def page_of(place: Stand, **more: str) -> Iterator[tuple[Service, Settings]]:
    """A page's process that can be killed and started again on the same port."""
    settings = settings_of(place).model_copy(update={"port": any_port()})
    environment = {**os.environ, **settings.environment(), **more}
    if place.url is None:
        environment.pop("BORDERLINE_DATABASE_URL", None)
    command = [sys.executable, "-m", "labeler_ui", "--port", str(settings.port)]
    page = Service("page", command, environment, settings.log_folder / "page.log")
    page.start()
    try:
        wait_for_page(settings)
        yield page, settings
    finally:
        page.kill()


def _killed(place: Stand, times: int, moment: str) -> Outcome:
    """Kill the page under five annotators, or let it die at a moment, and start it again each time."""
    choose, project, injected = np.random.default_rng(10), wide_project(place), 0
    with page_of(place) as (page, settings), open_store(settings_of(place), system=True) as store:
        with team(store.database, store.actor, project, settings.page_address, pace=PACE) as people:
            while injected < times:
                _wait_for_answers(people.journals, 5)
                if moment:
                    page.environment[crash_points.CRASH_AT] = f"{moment}:{choose.integers(3, 13)}"
                page.kill()
                page.start()
                if moment:
                    injected += page.process is not None and page.process.wait(SENTENCE_SECONDS) != 0
                    page.environment.pop(crash_points.CRASH_AT)
                    page.start()
                else:
                    injected += 1
                wait_for_page(settings)
            _wait_for_answers(people.journals, 5)
            deadline = time.monotonic() + SENTENCE_SECONDS
            while people.journals().open and time.monotonic() < deadline:
                time.sleep(0.05)
        found = check(store.database, people.journals(), files=True)
    return Outcome(injected, found)


def _wait_for_answers(journals: Callable[[], Read], more: int) -> None:
    """Wait until so many more answers were acknowledged, or for a while when all is answered."""
    wanted = len(journals().acknowledged) + more
    deadline = time.monotonic() + 30
    while len(journals().acknowledged) < wanted and time.monotonic() < deadline:
        time.sleep(0.02)


@fault(
    "page killed under a team",
    "SIGKILL of the page's process under five annotators at the HTTP API, and a start",
    count=15,
    small=1,
    tested=(),
)
def page_killed(place: Stand, times: int) -> Outcome:
    """Kill the page at random."""
    return _killed(place, times, "")


@fault(
    "page killed after COMMIT, before the reply",
    "the page dies at `after_commit` of a claim's or an answer's transaction, under five annotators",
    count=15,
    small=1,
    tested=(POSTGRESQL,),
)
def page_killed_after_commit(place: Stand, times: int) -> Outcome:
    """Let the page die between a commit and its reply."""
    return _killed(place, times, crash_points.AFTER_COMMIT)


SETTINGS_THAT_CANNOT_BE = (  # each a usual value with one letter changed
    ("BORDERLINE_LOG_FORMAT", "jsom"),
    ("BORDERLINE_DATABASE_URL", "postgresq1://borderline@localhost/borderline"),
    ("BORDERLINE_PREFECT_PORT", "42o0"),
    ("BORDERLINE_ACCOUNTS", "accounfs"),
    ("BORDERLINE_DEVICE", "cpv"),
    ("BORDERLINE_RECONCILE_SECONDS", "-1"),
)


@fault(
    "settings damaged",
    "one letter of a setting changed: the command names the setting in a sentence, ends with exit code 2 and writes "
    "nothing; with the settings as they were it works",
    engines=(SQLITE,),
    count=len(SETTINGS_THAT_CANNOT_BE),
    small=2,
)
def settings_damaged(place: Stand, times: int) -> Outcome:
    """Start a command with a setting that cannot be."""
    with open_store(settings_of(place), system=True) as store:
        projects.create_project(store.database, store.actor, ProjectSpec(name="digits", classes=("0", "1")))
    damaged, found = SETTINGS_THAT_CANNOT_BE[:times], Found()
    for name, value in damaged:
        before = _files(place.home)
        done = _status(place, {name: value})
        plain = done.returncode == 2 and name in done.stderr and "Traceback" not in done.stderr
        if not plain or _files(place.home) != before:
            found.what.append(f"{name}={value}: code {done.returncode}, said {done.stderr.strip()[-200:]!r}")
    control = _status(place, {})  # a command that always failed would pass the rest
    if control.returncode != 0 or "digits" not in control.stdout:
        found.what.append(f"good settings: code {control.returncode}, said {control.stderr.strip()[-200:]!r}")
    found.not_rebuilt = len(found.what)
    return Outcome(len(damaged), found)


def _status(place: Stand, changed: dict[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BORDERLINE_")}
    environment = {**kept, "BORDERLINE_HOME": str(place.home), **changed}
    command = [sys.executable, "-m", "flows.cli", "status", "digits"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SENTENCE_SECONDS,
                          check=False)  # fmt: skip


def _files(home: Path) -> dict[str, bytes]:
    """Return every file of a home folder with what is in it."""
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}
