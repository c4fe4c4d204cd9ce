"""The rule for runs that went silent, on a real Prefect server: nobody else looks after a run of another machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import prefect_runs
from flows.processes import Service, any_port, stop_all
from flows.settings import Settings
from flows.up import build_services
from tests.flows.serving import runs_of, until

pytestmark = pytest.mark.alone

SILENT_SECONDS = 45  # half of what is used, still above Prefect's shortest heartbeat of 30
SLEEPS = "import time; from prefect import flow; flow(name='sleeps')(lambda: time.sleep(600))()"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Settings, Service]]:
    """A server without a flow runner, which would notice the death of its own runs."""
    settings = Settings(home=tmp_path, prefect_port=any_port())
    [found] = [service for service in build_services(settings, str(tmp_path)) if service.name == "Prefect server"]
    found.start()
    yield settings, found
    stop_all([found], str(tmp_path))


def test_a_run_whose_process_was_killed_crashes_by_the_rule_and_one_that_lives_does_not(
    server: tuple[Settings, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, service = server
    monkeypatch.setattr(prefect_runs, "SILENT_SECONDS", SILENT_SECONDS)
    until(lambda: runs_of(settings, "sleeps", "RUNNING") == [], "Prefect server", service.log)
    there = f"http://127.0.0.1:{settings.prefect_port}/api"
    with temporary_settings({PREFECT_API_URL: there}), get_client(sync_client=True) as client:
        prefect_runs.put_in_order(client, alone=False)
    environment = {**os.environ, **settings.prefect_environment()}
    with subprocess.Popen([sys.executable, "-c", SLEEPS], env=environment) as run:
        try:
            [found] = until(lambda: runs_of(settings, "sleeps", "RUNNING"), "run", service.log)
            time.sleep(SILENT_SECONDS + 15)  # more than one heartbeat
            assert [one["id"] for one in runs_of(settings, "sleeps", "RUNNING")] == [found["id"]]
        finally:
            run.kill()
    [crashed] = until(lambda: runs_of(settings, "sleeps", "CRASHED"), "crash by the rule", service.log)
    assert (crashed["id"], crashed["state"]["message"]) == (found["id"], "It went silent.")
