"""A project left alone with a team while processes die: ten rounds, twenty random SIGKILLs, nothing lost.

Claim: on embedded parts (`borderline up`: SQLite, its own Prefect server) and on PostgreSQL with a separate Prefect
server and worker, rounds go on by themselves, every acknowledged answer of five annotators at the HTTP API is stored
once, no query is over-assigned, every file has its row's hash, and events rebuild the labels. Anything may be killed at
any time: page, worker, flow run, Prefect server, `borderline up` itself, PostgreSQL's backends and its postmaster. What
dies is started again by `borderline up`, and that by a supervisor as systemd or Docker is one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import text

from benchmarks.common import arguments, machine, report, write_table
from benchmarks.invariants import check
from benchmarks.soak_site import Embedded, Team, pick, settings_for, supervised, wait_for_page
from benchmarks.team import team
from db import projects
from db.engine import Database
from db.records import Project, ProjectSpec
from flows.demo import FewOfEachClass
from flows.ingest import IngestOptions, ingest_source
from flows.report import SilentReporter
from flows.settings import Settings
from flows.store import open_store
from pipeline.data.sources import open_source, with_test_split
from tests.postgresql_cluster import Cluster

SUMMED = ("kills", "acknowledged", "lost", "doubled", "over_assigned", "bad_hashes")
CLOSED = "SELECT count(*) FROM rounds WHERE state = 'closed'"


@dataclass
class Diary:
    """What happened so far."""

    killed: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    seconds: float = 0.0


def main() -> None:
    """Run the soak on each engine and count."""
    given = arguments(
        __doc__, engine="sqlite,postgresql", rounds=10, kills=20, minutes=30.0, seed=0, gap=12.0, keep_logs="", docs=""
    )
    if given.quick:
        given.engine, given.rounds, given.kills, given.minutes = "sqlite", 2, 3, 5.0
    print(f"seed {given.seed}", flush=True)
    rows = [soak(engine, given) for engine in given.engine.split(",")]
    path, given.json = given.json, None
    table = [{**{name: row[name] for name in row if name != "what"}, "killed": in_words(row["killed"])} for row in rows]
    report("Soak", table, given, what=[str(row["what"]) for row in rows])
    if given.docs:
        write_table(Path(given.docs), "soak", table)
    if path:
        kept = {**totals(rows), "engines": rows, "seed": given.seed, "machine": machine()}
        path.write_text(json.dumps(kept, indent=2) + "\n")
    if any(row["broken"] or row["rounds"] < given.rounds or row["kills"] < given.kills for row in rows):
        sys.exit("a promise was broken, or rounds or kills are missing: see the table")


def totals(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Return the counts of all engines together, and the rounds that each of them did at least."""
    sums = {name: sum(row[name] for row in rows) for name in SUMMED}
    return {**sums, "rounds": min(row["rounds"] for row in rows)}


def in_words(killed: Mapping[str, int]) -> str:
    """Return how many of each role were killed, most first."""
    return ", ".join(f"{role} {times}" for role, times in Counter(killed).most_common()) or "nothing"


def soak(engine: str, given: Namespace) -> dict[str, Any]:
    """Run it on one engine; returns its row."""
    with site_on(engine, given) as site:
        project = make_project(site.settings)
        diary = Diary()
        with Database.open(site.settings.database_url, home=site.settings.home) as database:
            with open_store(site.settings, system=True) as store, supervised(site):
                with team(database, store.actor, project, site.settings.page_address, seed=given.seed) as people:
                    hurt(site, database, diary, given)
                    wait_for_page(site.settings)
                clients = people.journals()
            found = check(database, clients, files=True)
            keep_logs(site.settings, engine, given.keep_logs)
        return {
            "engine": engine, "kills": sum(diary.killed.values()), "acknowledged": found.acknowledged,
            "lost": found.lost, "doubled": found.doubled, "over_assigned": found.over_assigned,
            "bad_hashes": found.bad_hashes, "rounds": diary.rounds, "seconds": diary.seconds,
            "sent_open": len(clients.open), "broken": found.broken, "killed": dict(sorted(diary.killed.items())),
            "what": "; ".join(found.what) or "nothing wrong",
        }  # fmt: skip


def hurt(site: Embedded | Team, database: Database, diary: Diary, given: Namespace) -> None:
    """Kill one thing after the other until rounds and kills are as wanted, or the time is up."""
    choose = np.random.default_rng(given.seed)
    started = time.monotonic()
    only = tuple(name for name in getattr(given, "only", "").split(",") if name)
    next_kill = started + choose.uniform(0.25, 1.75) * given.gap
    while diary.seconds < 60 * given.minutes:
        diary.seconds, diary.rounds = time.monotonic() - started, closed_rounds(database)
        if diary.rounds >= given.rounds and sum(diary.killed.values()) >= given.kills:
            return
        if time.monotonic() >= next_kill and sum(diary.killed.values()) < given.kills:
            victim = pick(site.targets(), choose, only)
            if victim is not None:
                with suppress(ProcessLookupError):
                    os.kill(victim[1], signal.SIGKILL)
                    diary.killed[victim[0]] += 1
                    print(f"{diary.seconds:7.1f} s: killed {victim[0]}; rounds {diary.rounds}", flush=True)
            next_kill = time.monotonic() + choose.uniform(0.25, 1.75) * given.gap
        time.sleep(0.5)


def closed_rounds(database: Database) -> int:
    """Return how many rounds are through."""
    return int(database.read(lambda session: session.execute(text(CLOSED)).scalar_one()))


def make_project(settings: Settings) -> Project:
    """Make the digits project: twenty labels, a tiny network, ten images a round, two people each, three for a tie."""
    with open_store(settings, system=True) as store:
        spec = ProjectSpec(
            name="digits", classes=tuple("0123456789"), image_size=16, channels=1, model="lenet5", recipe="quick",
            strategy="dfal", cold_start="random_sampling", batch_size=10, reserve_size=10, overlap=2, max_overlap=3,
        )  # fmt: skip
        project = projects.create_project(store.database, store.actor, spec)
        source = with_test_split(open_source("digits"), 0.25, seed=0)
        options = (FewOfEachClass(source, 2), "use"), (source, "hide")
        for images, labels in options:
            ingest_source(store, project.id, images, IngestOptions(labels=labels), SilentReporter())
        return projects.get_project(store.database, store.actor, "digits")


@contextmanager
def site_on(engine: str, given: Namespace) -> Iterator[Embedded | Team]:
    """Give a site that is not started yet, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="borderline-soak-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "home"
        if engine == "sqlite":
            yield Embedded(settings_for(home))
            return
        cluster = Cluster()
        try:
            cluster.initialize()
            cluster.start()
            yield Team(settings_for(home, url=cluster.admin), cluster)
        finally:
            cluster.remove()


def keep_logs(settings: Settings, engine: str, folder: str) -> None:
    """Copy the logs of all processes to a folder, if one was named."""
    for log in settings.log_folder.glob("*.log") if folder else []:
        target = Path(folder) / f"{engine}-{log.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(log.read_bytes())


if __name__ == "__main__":
    main()
