"""What the soak runs and kills: `borderline up` on embedded parts, or a team's services beside a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from flows.health import answers
from flows.processes import Service, any_port, kill_marked, marked
from flows.settings import BOOT, Settings
from flows.up import build_services
from tests.postgresql_cluster import Cluster

START_SECONDS = 300.0


def role_of(words: Sequence[str]) -> str | None:
    """Tell what a process of Borderline is by its command line; None for what is none of the services."""
    line = " ".join(words)
    if "labeler_ui" in line:
        return "page"
    if "flows.runner" in line:
        return "flow runner"
    if "flows.cli" in line:
        return "worker" if "worker" in words else "borderline up"
    if "server" in words or "uvicorn" in line:
        return "Prefect server"
    return "flow run" if "prefect" in line else None


def _marked_targets(home: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for process in marked(str(home)):
        with suppress(psutil.Error):  # gone by now
            role = role_of(process.cmdline())
            if role is not None:
                found.setdefault(role, []).append(process.pid)
    return found


def wait_for_page(settings: Settings) -> None:
    """Wait until the page answers.

    Raises:
        RuntimeError: It did not in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while not answers(f"{settings.page_address}/api/health"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"no page at {settings.page_address}; read {settings.log_folder}")
        time.sleep(0.2)


@dataclass
class Embedded:
    """One `borderline up` on SQLite; what starts it again when it died is the machine's supervisor, here a thread."""

    settings: Settings
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self) -> None:
        """Start `borderline up`; it watches its own children."""
        environment = {**os.environ, **self.settings.environment(), "PYTHONUNBUFFERED": "1"}
        environment.pop("BORDERLINE_DATABASE_URL", None)
        command = [sys.executable, "-m", "flows.cli", "up", "--port", str(self.settings.port), "--no-browser"]
        self.settings.log_folder.mkdir(parents=True, exist_ok=True)
        with (self.settings.log_folder / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.starts += 1

    def mend(self) -> None:
        """Start it again if it died."""
        if self.process is not None and self.process.poll() is not None:
            self.start()

    def stop(self) -> None:
        """Stop in good order, as Ctrl-C does."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        kill_marked(str(self.settings.home))

    def targets(self) -> dict[str, list[int]]:
        """Return the processes of `borderline up` with itself."""
        found = _marked_targets(self.settings.home)
        if self.process is not None and self.process.poll() is None:
            found["borderline up"] = [self.process.pid]
        return found


@dataclass
class Team:
    """PostgreSQL, a Prefect server, a worker and a page, each started again by a supervisor when it dies."""

    settings: Settings
    cluster: Cluster
    services: list[Service] = field(default_factory=list)

    def start(self) -> None:
        """Start the three services that use the database; PostgreSQL is up already."""
        self.services = team_services(self.settings)
        for service in self.services:
            service.start()

    def mend(self) -> None:
        """Start again what died."""
        if not self.cluster.is_up():
            self.cluster.start()
        for service in self.services:
            service.starts.clear()  # this supervisor never gives up
            service.restart_if_dead()

    def stop(self) -> None:
        """Stop the services."""
        for service in reversed(self.services):
            service.ask_to_stop()
        kill_marked(str(self.settings.home))
        for service in self.services:
            service.kill()

    def targets(self) -> dict[str, list[int]]:
        """Return the services, flow runs, and PostgreSQL's processes."""
        found = _marked_targets(self.settings.home)
        backends = [process.pid for process in self.cluster.backends()]
        if backends:
            found["PostgreSQL backend"] = backends
        if self.cluster.is_up():
            found["postmaster"] = [self.cluster.pid]
        return found


def team_services(settings: Settings) -> list[Service]:
    """Return a Prefect server, a page and a worker: the commands that compose files and systemd start.

    `borderline worker` names each of its starts anew (BOOT), which decides what becomes of a dead worker's flow runs.
    """
    mark = str(settings.home)
    alone = settings.model_copy(update={"prefect_api_url": None})
    server = next(one for one in build_services(alone, mark) if one.name == "Prefect server")
    page, runner = build_services(settings, mark)
    environment = {**runner.environment, "BORDERLINE_PREFECT_API_URL": str(settings.prefect_api_url)}
    del environment[BOOT]
    command = [sys.executable, "-m", "flows.cli", "worker"]
    return [server, page, Service("worker", command, environment, settings.log_folder / "worker.log")]


@contextmanager
def supervised(site: Embedded | Team) -> Iterator[None]:
    """Start a site and start again what dies, until the block ends."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(1.0):
            site.mend()

    site.start()
    supervisor = threading.Thread(target=watch, name="supervisor", daemon=True)
    supervisor.start()
    try:
        wait_for_page(site.settings)
        yield
    finally:
        stop.set()
        supervisor.join(120)
        site.stop()


def settings_for(home: Path, *, url: str | None = None) -> Settings:
    """Return the settings of a site in a home folder, on free ports; with a URL its Prefect server is its own."""
    prefect = any_port()
    apart = f"http://127.0.0.1:{prefect}/api" if url else None
    return Settings(
        home=home, database_url=url, port=any_port(), prefect_port=prefect, prefect_api_url=apart, device="cpu",
        workers=1,
    )  # fmt: skip


def pick(
    targets: dict[str, list[int]], choose: np.random.Generator, only: tuple[str, ...] = ()
) -> tuple[str, int] | None:
    """Choose what is killed next: any role alike, then any of its processes."""
    roles = sorted(role for role in targets if not only or role in only)
    if not roles:
        return None
    role = roles[int(choose.integers(len(roles)))]
    return role, targets[role][int(choose.integers(len(targets[role])))]
