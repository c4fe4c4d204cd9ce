"""A real Prefect server and the real runner on a home of their own, for tests that need both."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.processes import Service, any_port, marked, stop_all
from flows.settings import Settings
from flows.up import build_services

WAIT_SECONDS = max(120.0, float(os.environ.get("BORDERLINE_TEST_PATIENCE", "0")))  # more where the machine is busy


@dataclass
class Served:
    """What runs: the page is not started."""

    settings: Settings
    server: Service
    runner: Service

    def ask(self, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        return ask(self.settings, path, body)

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        return until(condition, what, self.runner.log)

    def kill_runner(self) -> None:
        """End the runner and the flow runs that it started, at once, as a machine that loses power does."""
        for process in marked(str(self.settings.home)):
            if self.server.process is not None and process.pid != self.server.process.pid:
                process.kill()
        self.runner.kill()


@contextmanager
def serving(home: Path, **changes: Any) -> Iterator[Served]:
    """Start a server and a runner; stop them, and whatever they started, at the end."""
    settings = Settings(home=home, device="cpu", prefect_port=any_port(), **changes)
    server, runner = (service for service in build_services(settings, str(home)) if service.name != "page")
    for service in (server, runner):
        service.start()
    try:
        yield Served(settings, server, runner)
    finally:
        stop_all([runner, server], str(home))
        _keep_logs([server, runner])


def _keep_logs(running: list[Service]) -> None:
    folder = os.environ.get("BORDERLINE_KEEP_LOGS")
    for service in running if folder else []:
        Path(str(folder)).joinpath(service.log.name).write_bytes(service.log.read_bytes())


def ask(settings: Settings, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    url = f"http://127.0.0.1:{settings.prefect_port}/api{path}"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def until(condition: Callable[[], Any], what: str, log: Path) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            found = condition()
        except OSError:  # the server is starting
            found = None
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"no {what} within {WAIT_SECONDS:g} s; the runner said: {log.read_text()[-3000:]}")
        time.sleep(0.3)


def runs_of(settings: Settings, flow: str, *states: str) -> list[dict[str, Any]]:
    """Runs of a flow in some states (a schedule has a hundred more, that are still to come)."""
    which = {"state": {"type": {"any_": list(states)}}}
    return ask(settings, "/flow_runs/filter", {"flows": {"name": {"any_": [flow]}}, "flow_runs": which, "limit": 50})
