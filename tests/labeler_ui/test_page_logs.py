"""The page as a process, full of canaries: whatever is typed, sent or breaks, no secret gets into its log."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.database_fixtures import Place

ROOT = Path(__file__).parents[2]
PATIENCE = 200.0  # seconds at most, for a machine that is busy
SECRETS = {
    "database": "canary-database-pw",
    "password": "canary-login-pw",
    "token": "blt_canarycanarycanarycanarycanarycanarycanaryca",
    "cookie": "canary-session-cookie",
    "invitation": "canary-invitation",
    "pass": "eyJjYW5hcnkiOiJjYW5hcnkifQ.canary-signature-of-a-pass",
    "metrics": "canary-metrics-token-0123456789",
}


class Page:
    """`python -m labeler_ui` with accounts, its store at an address with a password in it."""

    def __init__(self, place: Place, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = folder / "page.log"
        folder.mkdir(exist_ok=True)
        url = str(place.url).replace("//postgres@", f"//postgres:{SECRETS['database']}@")
        variables = {
            "BORDERLINE_HOME": str(place.home), "BORDERLINE_DATABASE_URL": url, "BORDERLINE_ACCOUNTS": "accounts",
            "BORDERLINE_METRICS_TOKEN": SECRETS["metrics"], "BORDERLINE_LOG_FORMAT": "json", "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "labeler_ui", "--port", str(self.port)],
                env={**os.environ, **variables}, cwd=folder, stdout=log, stderr=log,
            )  # fmt: skip

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, self.log.read_text()
            try:
                assert self.ask("GET", "/api/health") == 200
                return
            except OSError:
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.1)


@pytest.fixture
def page(postgresql_place: Place, tmp_path: Path) -> Iterator[Page]:
    made = Page(postgresql_place, tmp_path / "page")
    try:
        made.wait()
        yield made
    finally:
        made.process.send_signal(signal.SIGTERM)
        made.process.wait(30)


def ask_for_everything(page: Page) -> list[int]:
    form = urllib.parse.urlencode({"name": "ada", "password": SECRETS["password"]})
    bearer = f"Bearer {SECRETS['token']}"
    cookie = f"borderline_session={SECRETS['cookie']}"
    as_form = {"Content_Type": "application/x-www-form-urlencoded", "Cookie": cookie}
    return [
        page.ask("POST", "/login", form, **as_form),
        page.ask("GET", f"/join?token={SECRETS['invitation']}", Cookie=cookie),
        page.ask("GET", "/api/v1/projects", Authorization=bearer),
        page.ask("POST", "/api/token", "{}", Content_Type="application/json", X_Borderline_Token=SECRETS["pass"]),
        page.ask("GET", f"/progress?next={SECRETS['invitation']}&password={SECRETS['password']}", Cookie=cookie),
        page.ask("GET", "/metrics", Authorization=f"Bearer {SECRETS['metrics']}"),
    ]


@pytest.mark.postgresql
def test_no_secret_gets_into_the_pages_log(page: Page, postgresql_place: Place) -> None:
    assert ask_for_everything(page) == [401, 410, 401, 401, 401, 200]
    with postgresql_place.open() as database, database.engine.connect() as connection:
        for table in ("sessions", "api_tokens", "invitations", "throttles"):  # now every statement fails, with a trace
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO gone_{table}")
        connection.commit()
    assert 500 in ask_for_everything(page)
    text = page.log.read_text()
    assert "the route /api/v1/projects failed" in text
    assert {name for name, secret in SECRETS.items() if secret in text} == set()
    assert "canary" not in text.replace("first-administrator", "")
    errors = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert all(set(line) >= {"time", "level", "logger", "message"} for line in errors)
    assert any("Traceback" in line.get("exception", "") for line in errors)
    loose = [line for line in text.splitlines() if line.strip() and not line.startswith("{")]
    assert not [line for line in loose if "Traceback" in line or "Error" in line], loose
    assert loose, "Streamlit's own words about where it listens, and where the first administrator's link is"
