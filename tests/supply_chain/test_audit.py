"""`make audit` with the real scanner and advisories of our own: what it sees, and above all when it is blind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.supply_chain.locks import ROOT

VENV = Path(sys.executable).parents[1]
HOLE = {"id": "GHSA-cpwx-vrp4-4pq7", "aliases": ["CVE-2025-27516"]}
LOCKED = f"tiny-canary==1.0 --hash=sha256:{'0' * 64}\n"


class Advisories(ThreadingHTTPServer):
    """Answers as https://api.osv.dev does; `known` says which packages have which holes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.known: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []


class Answer(BaseHTTPRequestHandler):
    server: Advisories

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = query["package"]["name"]
        self.server.asked.append(name)
        hole = self.server.known.get(name)
        affected = [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": []}]
        answer = {"vulns": [{**hole, "summary": "a hole", "affected": affected}]} if hole else {}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def advisories() -> Iterator[Advisories]:
    with Advisories() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def audit(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    lock = folder / "tiny.lock"
    lock.write_text(LOCKED)
    variables = {
        "PIP_AUDIT_VULNERABILITY_SERVICE": "osv",
        "PIP_AUDIT_OSV_URL": url,
        "NO_PROXY": "127.0.0.1",
        "HOME": str(folder),
        "XDG_CACHE_HOME": str(folder),
    }
    command = [str(ROOT / "scripts" / "audit.sh"), str(VENV), str(lock)]
    environment = {**os.environ, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_without_advisories_it_fails_and_says_that_it_is_blind(tmp_path: Path) -> None:
    done = audit(tmp_path, "http://127.0.0.1:1")
    assert done.returncode == 3
    assert "the scanner is blind here" in done.stderr
    assert "now" not in done.stdout


def test_advisories_that_do_not_know_the_canary_are_none(tmp_path: Path, advisories: Advisories) -> None:
    done = audit(tmp_path, f"http://127.0.0.1:{advisories.server_port}")
    assert done.returncode == 3
    assert advisories.asked == ["jinja2"]  # the lock was not even looked at: its answer would mean nothing


def test_a_scanner_that_sees_looks_at_the_lock(tmp_path: Path, advisories: Advisories) -> None:
    advisories.known["jinja2"] = HOLE
    done = audit(tmp_path, f"http://127.0.0.1:{advisories.server_port}")
    assert done.returncode == 0, done.stderr
    assert advisories.asked == ["jinja2", "tiny-canary"]
    advisories.known["tiny-canary"] = {"id": "GHSA-0000-0000-0000", "aliases": []}
    found = audit(tmp_path, f"http://127.0.0.1:{advisories.server_port}")
    assert found.returncode == 1
    assert "GHSA-0000-0000-0000" in found.stdout


def test_make_audit_is_that_script() -> None:
    rule = (ROOT / "Makefile").read_text().split("\naudit:", 1)[1].split("\n\n")[0]
    assert "scripts/audit.sh $(VENV)" in rule
