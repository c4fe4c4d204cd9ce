"""Fifty annotators at one answer a second on one server process: no answer lost, and how long an acknowledgment takes.

Claim: by the page's answer route, 50 people for two minutes, p95 under a second; by the second way (the component's
state, a run of the page's script for each answer) 15 people. The server is a real process on SQLite; the clients are
threads of this one on the same machine, and take their share of its cores. A person answers once a second whatever the
answers before took. Lost is what was acknowledged and is not in SQL, or was never acknowledged.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks.common import arguments, machine, report
from benchmarks.load_clients import Annotator, ComponentAnnotator, Person, run
from benchmarks.store_workers import make_project
from db import access
from db.engine import Database
from labeler_ui import tokens

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Measure both ways, one after the other."""
    given = arguments(__doc__, annotators=50, fallback=15, seconds=120.0, pace=1.0)
    if given.quick:
        given.annotators, given.fallback, given.seconds = min(given.annotators, 6), min(given.fallback, 2), 6.0
    with tempfile.TemporaryDirectory(prefix="borderline-") as folder, server(Path(folder)) as port:
        rows = [
            measure("route", Path(folder), port, Annotator, given.annotators, given),
            measure("component", Path(folder), port, ComponentAnnotator, given.fallback, given),
        ]
    path, given.json = given.json, None
    report("Answers under load", rows, given)
    if path:
        by_way = {row["way"]: row for row in rows}
        path.write_text(json.dumps({**by_way, "machine": machine()}, indent=2) + "\n")
    if any(row["lost"] or row["doubled"] for row in rows):
        sys.exit("lost or doubled: see the table")


def measure(way: str, home: Path, port: int, kind: type[Annotator], people: int, given: Namespace) -> dict[str, Any]:
    """Return the row of one way."""
    enough = int(people * (given.seconds / given.pace + 25)) + 100
    with Database.open(None, home=home) as database:
        project = make_project(database, f"load-{way}", enough, overlap=1)
        secret, classes = tokens.load_secret(home), tuple(entry.id for entry in project.classes)
        annotators = []
        for number in range(people):
            actor = access.local_user(database, f"{way} {number}")
            who = {"user_id": actor.user_id, "name": actor.name, "project_id": project.id, "session_id": None}
            token = tokens.mint(secret, **who)
            annotators.append(kind(Person(port, project.id, project.name, actor.name, token, classes)))
        seconds = run(annotators, given.seconds, given.pace)
        return _row(way, annotators, seconds, database, project.id)


def _row(way: str, annotators: Sequence[Annotator], seconds: float, database: Database, project: int) -> dict[str, Any]:
    logs = [annotator.log for annotator in annotators]
    saved = {answer for log in logs for answer in log.saved}
    times = sorted(1000 * value for log in logs for value in log.seconds)
    stored, doubled = _stored(database, project)
    never = sum(len(log.unanswered) for log in logs)
    return {
        "way": way,
        "annotators": len(logs),
        "seconds": seconds,
        "answers": len(times),
        "answers_per_second": len(times) / seconds,
        "lost": len(saved - stored) + never,
        "doubled": doubled,
        "refused": sum(len(log.refused) for log in logs),
        "drafts": sum(log.drafts for log in logs),
        "sent_again": sum(log.repeats for log in logs),
        "idle": sum(log.idle for log in logs),
        "p50_ms": _at(times, 0.5),
        "p95_ms": _at(times, 0.95),
        "max_ms": _at(times, 1.0),
    }


def _at(times: Sequence[float], share: float) -> float | None:
    return times[min(len(times) - 1, int(share * len(times)))] if times else None


def _stored(database: Database, project: int) -> tuple[set[str], int]:
    """Return the ids of the answers in SQL, and how many people answered a query twice."""
    ids = "SELECT answer_id FROM annotations WHERE project_id = :project AND withdrawn_at IS NULL"
    twice = (
        "SELECT count(*) FROM (SELECT 1 FROM annotations WHERE project_id = :project AND withdrawn_at IS NULL "
        "GROUP BY query_id HAVING count(*) > 1) AS found"
    )
    with database.engine.connect() as connection:
        found = set(connection.execute(text(ids), {"project": project}).scalars())
        return found, connection.execute(text(twice), {"project": project}).scalar_one()


@contextmanager
def server(home: Path) -> Iterator[int]:
    """Run `python -m labeler_ui` as people do; gives its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {**os.environ, "BORDERLINE_HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment.pop("BORDERLINE_DATABASE_URL", None)
    with (home / "page.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "labeler_ui", "--port", str(port)],
            env=environment, cwd=home, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait(process, port, home / "page.log")
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2) as answer:
            if answer.status == 200:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the page's server did not start:\n{log.read_text()}")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
