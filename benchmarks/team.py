"""A team of annotators at the HTTP API: each a thread with a token and a journal, sending until it is acknowledged."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.journal import Journal, Read, Tried, read_journals
from db import access, api_tokens, samples
from db.engine import Database
from db.records import Actor, Project, Role

TIMEOUT = 20.0
WINDOW = 3
IDLE = 1.0


@dataclass(frozen=True)
class Desk:
    """Where one annotator works.

    Attributes:
        address: Of the page, without the path.
        project_id: What is answered.
        token: For the API.
        classes: Class ids by name.
        truth: The true class's name by sample id.
        journal: The file.
        mistakes: Share of wrong answers.
        pace: Seconds between two answers, on average.
        seed: Of who errs where.
    """

    address: str
    project_id: int
    token: str
    classes: Mapping[str, int]
    truth: Mapping[int, str]
    journal: Path
    mistakes: float
    pace: float
    seed: int


class Annotator(threading.Thread):
    """Claims and answers until told to stop; a dead server is waited for, as the page's outbox does."""

    def __init__(self, desk: Desk, stop: threading.Event) -> None:
        super().__init__(name=desk.journal.stem, daemon=True)
        self.desk, self._stop_asked = desk, stop
        self._journal = Journal(desk.journal)
        self._random = np.random.default_rng(desk.seed)
        self._client = httpx.Client(
            base_url=f"{desk.address}/api/v1/projects/{desk.project_id}", timeout=TIMEOUT,
            headers={"Authorization": f"Bearer {desk.token}"},
        )  # fmt: skip

    def run(self) -> None:
        """Work until told to stop, with every answer acknowledged or refused for good."""
        while not self._stop_asked.is_set():
            body = self._post("/claims", {"count": WINDOW}) or {}
            for query in body.get("queries", []):
                self._answer(query)
                self._stop_asked.wait(self._random.uniform(0.2, 1.8) * self.desk.pace)
                if self._stop_asked.is_set():
                    break
            if not body.get("queries"):
                self._stop_asked.wait(IDLE)
        self._client.close()
        self._journal.close()

    def _answer(self, query: Mapping[str, Any]) -> None:
        name = self.desk.truth[query["sample_id"]]
        if self._random.random() < self.desk.mistakes:
            others = [other for other in self.desk.classes if other != name]
            name = others[int(self._random.integers(len(others)))]
        entry = Tried(str(uuid.uuid4()), query["query_id"], query["token"], self.desk.classes[name])
        self._journal.tried(entry)
        given = {"answer_id": entry.answer_id, "query_id": entry.query_id, "token": entry.token}
        self._send(entry, {**given, "outcome": "class", "class": name})

    def _send(self, entry: Tried, answer: dict[str, Any]) -> None:
        while True:
            body = self._post("/answers", {"answers": [answer]}) or {}
            for result in body.get("results", []):
                if result["ok"]:
                    return self._journal.acknowledged(entry.answer_id)
                if not result["retry"]:
                    return self._journal.refused(entry.answer_id)
            if self._stop_asked.wait(0.3) and not body:  # nobody answers any more: the journal says it is open
                return None

    def _post(self, route: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Send one request; None from a server that is away, slow or busy."""
        with contextlib.suppress(httpx.HTTPError, ValueError):
            response = self._client.post(route, json=body)
            if response.status_code == 200:
                found: dict[str, Any] = response.json()
                return found
        return None


@dataclass(frozen=True)
class Team:
    """All annotators of a project."""

    annotators: Sequence[Annotator]

    def journals(self) -> Read:
        """Read everybody's journal."""
        return read_journals(annotator.desk.journal for annotator in self.annotators)


@contextmanager
def team(
    database: Database, boss: Actor, project: Project, address: str, *, people: int = 5, mistakes: float = 0.03,
    pace: float = 0.5, seed: int = 0,
) -> Iterator[Team]:  # fmt: skip
    """Let a team work while the block runs; each has a user of its own, a membership and a token."""
    index = samples.pool_index(database, project.id, splits=("pool", "holdout"))
    names = {entry.position: entry.name for entry in project.classes}
    found = samples.known_classes(database, project.id, np.asarray(index.ids))
    truth = {int(sample): names[position] for sample, position in found.items()}
    stop, annotators = threading.Event(), []
    for number in range(people):
        user = access.add_user(database, boss, f"annotator {number}")
        access.add_member(database, boss, project.id, user.id, Role.annotator)
        token = api_tokens.create(database, boss, user.id, "soak", project_id=project.id).secret
        desk = Desk(
            address=address, project_id=project.id, token=token, truth=truth, mistakes=mistakes, pace=pace,
            classes={entry.name: entry.id for entry in project.classes}, seed=seed * 1000 + number,
            journal=database.home / f"annotator-{number}.journal",
        )  # fmt: skip
        annotators.append(Annotator(desk, stop))
    for annotator in annotators:
        annotator.start()
    try:
        yield Team(annotators)
    finally:
        stop.set()
        for annotator in annotators:
            annotator.join(3 * TIMEOUT)
