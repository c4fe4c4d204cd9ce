"""`borderline up` starts its parts, starts them again when they die, and ends what a killed one left behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows import processes
from flows.processes import MARK, RESTARTS_A_MINUTE, Service, free_port, kill_marked, marked, port_is_free, stop_all

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]


def service(tmp_path: Path, command: list[str], mark: str | None = None) -> Service:
    return Service("sleeper", command, {**os.environ, MARK: mark or str(tmp_path)}, tmp_path / "logs" / "sleeper.log")


def until(condition, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_log_that_has_grown_large_is_set_aside_at_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "MOST_LOG_BYTES", 10)
    one = service(tmp_path, [sys.executable, "-c", "print('hello there')"])
    said = b"hello there\n"
    for _ in range(3):
        one.start()
        one.wait(30)
        assert one.log.read_bytes() == said
    assert sorted(path.name for path in one.log.parent.iterdir()) == ["sleeper.log", "sleeper.log.1"]
    monkeypatch.setattr(processes, "MOST_LOG_BYTES", 1000)
    one.start()
    one.wait(30)
    assert one.log.read_bytes() == 2 * said  # a small one goes on


def test_a_service_that_died_is_started_again(tmp_path: Path) -> None:
    one = service(tmp_path, SLEEPER)
    one.start()
    first = one.process
    assert first is not None
    first.kill()
    first.wait()
    assert one.restart_if_dead()
    assert one.exit_code is None
    assert one.process is not first
    stop_all([one], str(tmp_path))


def test_a_service_that_keeps_dying_is_given_up(tmp_path: Path) -> None:
    one = service(tmp_path, [sys.executable, "-c", "raise SystemExit(3)"])
    one.start()
    for _ in range(RESTARTS_A_MINUTE - 1):
        assert until(lambda: one.exit_code == 3)
        assert one.restart_if_dead()
    assert until(lambda: one.exit_code == 3)
    assert not one.restart_if_dead()


def test_a_service_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    one = service(tmp_path, STUBBORN)
    one.start()
    assert until(lambda: b"deaf" in one.log.read_bytes())
    stop_all([one], str(tmp_path), seconds=0.5)
    assert one.exit_code is not None


def test_what_a_killed_run_left_behind_is_found_by_its_mark_and_ended(tmp_path: Path) -> None:
    ours = subprocess.Popen(SLEEPER, env={**os.environ, MARK: str(tmp_path)})
    other = subprocess.Popen(SLEEPER, env={**os.environ, MARK: "another home"})
    try:
        assert until(lambda: [process.pid for process in marked(str(tmp_path))] == [ours.pid])
        assert kill_marked(str(tmp_path)) == 0
        assert ours.wait(5) is not None
        assert other.poll() is None
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


def test_a_port_in_use_is_seen_and_replaced() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not port_is_free("127.0.0.1", port)
        assert free_port("127.0.0.1", port) != port
