"""Each service by itself: its settings, what it refuses, and what a health check finds."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from db.errors import SecretError
from flows.cli.console import explain
from flows.errors import UsageError
from flows.health import Unhealthy, beat, beat_file, check_prefect, check_worker
from flows.prefect_server import server_command, server_environment
from flows.settings import Settings
from labeler_ui import settings as page_settings
from tests.compose.composefile import ROOT
from tests.flows.conftest import Said

ADDRESS = "postgresql://borderline@db/labels"
HEAVY = ("torch", "prefect", "streamlit", "sqlalchemy", "numpy", "pipeline", "psutil")


def secret(folder: Path, name: str, value: str) -> Path:
    path = folder / name
    path.write_text(f"{value}\n")
    path.chmod(0o400)
    return path


# ---- settings


def test_the_page_and_the_flows_read_the_same_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = secret(tmp_path, "database_password", "canary p@ss")
    monkeypatch.setenv("BORDERLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BORDERLINE_DATABASE_URL", ADDRESS)
    monkeypatch.setenv("BORDERLINE_DATABASE_PASSWORD_FILE", str(file))
    settings, page = Settings(), page_settings.load()
    assert settings.database_url == page.database_url == "postgresql://borderline:canary p%40ss@db/labels"
    assert "canary" not in f"{settings!r} {settings} {page!r} {page}"
    handed_on = settings.environment()
    assert "canary" not in " ".join(handed_on.values())
    for name, value in handed_on.items():
        monkeypatch.setenv(name, value)
    assert Settings().database_url == settings.database_url  # what a child sees
    file.chmod(0o444)
    for load in (Settings, page_settings.load):
        with pytest.raises(SecretError, match="closed to others") as said:
            load()
        assert "canary" not in str(explain(said.value))


def test_an_empty_setting_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BORDERLINE_HOME", str(tmp_path))
    monkeypatch.setenv("BORDERLINE_DATABASE_URL", "")
    monkeypatch.setenv("BORDERLINE_DATABASE_PASSWORD_FILE", "")
    assert Settings().database_password_file is None
    assert not Settings().database_url
    assert page_settings.load().database_url is None


def test_prefect_gets_its_password_and_a_database_of_its_own(tmp_path: Path) -> None:
    given = {
        "prefect_password_file": secret(tmp_path, "prefect_password", "one"),
        "prefect_database_url": "postgresql://prefect@db/prefect",
        "prefect_database_password_file": secret(tmp_path, "prefect_database_password", "two"),
    }
    settings = Settings(home=tmp_path, **given)
    variables = server_environment(settings)
    assert variables["PREFECT_SERVER_API_AUTH_STRING"] == variables["PREFECT_API_AUTH_STRING"] == "borderline:one"
    assert variables["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == "postgresql+asyncpg://prefect:two@db/prefect"
    assert variables["PREFECT_SERVER_UI_ENABLED"] == "false"
    assert "filesystem" in variables["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"]
    assert "PREFECT_SERVER_API_AUTH_STRING" not in settings.prefect_environment()  # the worker is no server
    shared = Settings(home=tmp_path, database_url="postgresql://borderline@db/prefect", **given)
    with pytest.raises(UsageError, match="a database of its own"):
        server_environment(shared)
    with pytest.raises(UsageError, match="postgresql://"):
        server_environment(Settings(home=tmp_path, prefect_database_url="sqlite:////srv/x.db"))
    assert "PREFECT_SERVER_DATABASE_CONNECTION_URL" not in server_environment(Settings(home=tmp_path))


def test_prefects_own_database_forgets_runs_that_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings.models.server.services import ServerServicesDBVacuumSettings

    assert "flow_runs" not in ServerServicesDBVacuumSettings().enabled_vacuum_types  # its own choice
    for environment in (server_environment(Settings(home=tmp_path)), Settings(home=tmp_path).prefect_environment()):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        vacuum = ServerServicesDBVacuumSettings()
        assert vacuum.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
        assert vacuum.retention_period == timedelta(days=14)


def test_prefect_is_open_to_nobody_without_a_password(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a password for a Prefect server on 0\.0\.0\.0"):
        server_command(Settings(home=tmp_path), "0.0.0.0", 4200)  # noqa: S104 - what must be refused
    assert server_command(Settings(home=tmp_path), "localhost", 4200)[-3:] == ["localhost", "--port", "4200"]
    with pytest.raises(SecretError, match="BORDERLINE_PREFECT_PASSWORD_FILE"):
        server_environment(Settings(home=tmp_path, prefect_password_file=tmp_path / "nowhere"))


# ---- commands


def test_a_worker_wants_a_server(run: Callable[..., Said]) -> None:
    said = run("worker")
    assert said.code == 2
    assert "expected a Prefect server in BORDERLINE_PREFECT_API_URL" in said.err


def test_migrate_says_what_there_is_and_may_be_repeated(run: Callable[..., Said]) -> None:
    for _ in range(2):
        said = run("migrate")
        assert said.code == 0
        assert "(schema 0" in said.out
        assert "0 projects, 0 labels" in said.out


def test_a_database_that_is_not_migrated_is_not_healthy(run: Callable[..., Said]) -> None:
    said = run("healthy", "database")
    assert said.code == 1
    assert "expected a database" in said.err
    run("migrate")
    assert run("healthy", "database").code == 0


# ---- health


def test_a_worker_is_healthy_while_it_looks_into_sql(settings: Settings) -> None:
    with pytest.raises(Unhealthy, match="no sign of one"):
        check_worker(settings)
    settings.run_folder.mkdir(parents=True)
    beat(settings)
    assert check_worker(settings).startswith("the worker looked into SQL 0 s ago")
    before = beat_file(settings).stat().st_mtime - 3600
    os.utime(beat_file(settings), (before, before))
    with pytest.raises(Unhealthy, match="within 60 s"):
        check_worker(settings)
    beat(settings)
    check_worker(settings)


class Answer(BaseHTTPRequestHandler):
    """A server whose database is gone."""

    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/api/ready" else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def sick_server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()
        thread.join()


def test_prefect_without_its_database_is_not_healthy(tmp_path: Path, sick_server: str) -> None:
    with pytest.raises(Unhealthy, match="expected the Prefect server to answer"):
        check_prefect(Settings(home=tmp_path, prefect_api_url=sick_server))


@pytest.mark.parametrize("part", ["page", "worker", "prefect"])
def test_a_health_check_loads_nothing_heavy(part: str, tmp_path: Path) -> None:
    """It runs every few seconds beside the service."""
    code = (
        "import sys\nfrom flows.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n"
        f"    print(end.code, [name for name in {HEAVY} if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "BORDERLINE_HOME": str(tmp_path), "BORDERLINE_PORT": "9"}
    environment["BORDERLINE_PREFECT_API_URL"] = "http://127.0.0.1:9/api"
    command = [sys.executable, "-c", code, "healthy", part]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "1 []"
    assert ended.stderr.startswith("borderline: expected")
