"""Starts, watches and stops the processes of ``borderline up``, and finds those that a killed one left behind."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

logger = logging.getLogger(__name__)

MARK = "BORDERLINE_UP"
STOP_SECONDS = 15.0
MOST_LOG_BYTES = 20_000_000
RESTARTS_A_MINUTE = 5


@dataclass
class Service:
    """One long-lived child process.

    Attributes:
        name: What people call it; also the name of its log file.
        command: Program and arguments.
        environment: All of its environment.
        log: File that its output is appended to (a pipe that nobody reads can stop a process).
    """

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start the process in a session of its own, so that Ctrl-C reaches it through us, in order."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        set_aside(self.log)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own commands
                list(self.command),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.starts.append(time.monotonic())

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.poll() if self.process else None

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    @property
    def keeps_ending(self) -> bool:
        """Whether it was started so often in the last minute that one more start is no help."""
        return len([start for start in self.starts if time.monotonic() - start < 60]) >= RESTARTS_A_MINUTE

    def restart_if_dead(self) -> bool:
        """Start it again when it ended; returns whether it is to be kept (it died too often otherwise)."""
        if self.exit_code is None:
            return True
        if self.keeps_ending:
            return False
        logger.warning("the %s ended with code %s: starting it again (log: %s)", self.name, self.exit_code, self.log)
        self.start()
        return True

    def wait(self, seconds: float | None = None) -> None:
        """Wait until it has ended, if it was started.

        Raises:
            subprocess.TimeoutExpired: It has not.
        """
        if self.process is not None:
            self.process.wait(seconds)

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the process."""
        if self.process is not None and self.is_running:
            self.process.terminate()

    def kill(self) -> None:
        """End the process at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def set_aside(log: Path) -> None:
    """Rename a log that has grown large, so that the next one begins; one older file is kept, as ``NAME.log.1``."""
    try:
        if log.stat().st_size > MOST_LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.1"))
    except FileNotFoundError:
        return


def stop_all(services: Sequence[Service], mark: str, seconds: float = STOP_SECONDS) -> None:
    """Stop the services in order and then whatever carries the mark (flow runs are children of the runner)."""
    for service in services:
        service.ask_to_stop()
    deadline = time.monotonic() + seconds
    for service in services:
        try:
            service.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            logger.warning("the %s did not stop in %.0f s: killing it", service.name, seconds)
            service.kill()
    kill_marked(mark)


def marked(mark: str) -> list[psutil.Process]:
    """Return the living processes of this user that carry the mark in their environment, but for this one."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def kill_marked(mark: str, seconds: float = 5.0) -> int:
    """End what a killed ``up`` left behind: SIGTERM, then SIGKILL. Returns how many there were."""
    left = marked(mark)
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for process in left:
            try:
                process.send_signal(sign)
            except psutil.NoSuchProcess:
                continue
        _, left = psutil.wait_procs(left, timeout=seconds)
        if not left:
            break
    return len(left)


def port_is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str, preferred: int) -> int:
    """Return the preferred port if it is free, else any free one."""
    return preferred if port_is_free(host, preferred) else any_port(host)


def any_port(host: str = "127.0.0.1") -> int:
    """Return a port that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
