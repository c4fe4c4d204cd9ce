"""Putting Prefect's runs in order: all of them, however many there are."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

from flows.prefect_runs import _PAGE, cancel_late, crash_orphans


class Server:
    """Stands for a server that gives a page at a time and ends a run when told to."""

    def __init__(self, count: int) -> None:
        self.runs = [SimpleNamespace(id=uuid.uuid4(), deployment_id=1, auto_scheduled=True) for _ in range(count)]
        self.ended: list[uuid.UUID] = []

    def read_flow_runs(self, *, limit: int, offset: int = 0, **_: object) -> list[SimpleNamespace]:
        return self.runs[offset : offset + min(limit, _PAGE)]

    def set_flow_run_state(self, run_id: uuid.UUID, *_: object, **__: object) -> None:
        self.ended.append(run_id)


def test_every_run_without_a_process_has_crashed() -> None:
    for count in (0, 3, _PAGE, 2 * _PAGE + 1):
        for end in (crash_orphans, cancel_late):
            server: Any = Server(count)
            assert len(end(server)) == count
            assert sorted(server.ended) == sorted(run.id for run in server.runs)
