"""The product as a user starts it: `borderline demo` in a home of its own, and one real browser."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import create_engine, text

from flows.processes import any_port, kill_marked, marked

Found = TypeVar("Found")
START_SECONDS = 120


def until(condition: Callable[[], Found], what: str, seconds: float = 90) -> Found:
    """Wait until a condition gives something; fail with what was awaited."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"no {what} within {seconds:.0f} s")
        time.sleep(0.1)
    return found


@dataclass
class Running:
    """A `borderline demo` or `up` with its home and port."""

    home: Path
    port: int = field(default_factory=any_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/?project=digits&name=ana"

    @property
    def log(self) -> Path:
        return self.home.parent / "terminal.log"

    def start(self, command: str) -> float:
        """Start the command and wait until it says that the page is open; returns the seconds that it took."""
        environment = {
            **os.environ,
            "BORDERLINE_HOME": str(self.home),
            "BORDERLINE_DEVICE": "cpu",
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",
        }
        environment.pop("BORDERLINE_DATABASE_URL", None)
        started = time.monotonic()
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", command, "--port", str(self.port), "--no-browser"],
                env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        until(self._is_open, f"open page; it said: {self.log.read_text()}", START_SECONDS)
        return time.monotonic() - started

    def _is_open(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail(f"it ended with code {self.process.returncode}: {self.log.read_text()}")
        return b"page is open at" in self.log.read_bytes()

    def kill(self, *, everything: bool) -> None:
        """SIGKILL the process that the user started; its children stay behind, or are killed with it."""
        assert self.process is not None
        children = marked(str(self.home)) if everything else []
        for process in [self.process, *children]:
            process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Press Ctrl-C."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(40)

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Read with plain SQL, past all of our own code."""
        engine = create_engine(f"sqlite:///{self.home / 'borderline.db'}")
        try:
            with engine.connect() as connection:
                return [dict(row) for row in connection.execute(text(statement)).mappings()]
        finally:
            engine.dispose()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    demo = Running(tmp_path_factory.mktemp("demo") / "home")
    demo.start("demo")
    yield demo
    if demo.process is not None and demo.process.poll() is None:
        demo.process.kill()
        demo.process.wait()
    kill_marked(str(demo.home))
