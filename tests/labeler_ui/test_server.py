"""The process: what it listens on, what it refuses, what it never loads."""

from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from labeler_ui import server

ROOT = Path(__file__).parents[2]


def command(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "BORDERLINE_HOME": str(home), "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [sys.executable, "-m", "labeler_ui", *arguments],
        env=variables, cwd=home, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_port_in_use_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = command("--port", str(port), home=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"borderline: port {port} is in use; stop what runs there or choose another with --port\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])  # noqa: S104
def test_only_loopback_without_accounts(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BORDERLINE_ACCOUNTS", raising=False)
    with pytest.raises(server.ServeError, match="BORDERLINE_ACCOUNTS"):
        server.check_address(host, 8501)
    monkeypatch.setenv(server.OLD_SWITCH, "1")
    with pytest.raises(server.ServeError, match="BORDERLINE_ALLOW_REMOTE is no more"):
        server.check_address(host, 8501)


@pytest.mark.parametrize("mode", ["accounts", "oidc"])
def test_with_accounts_it_may_listen_anywhere(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BORDERLINE_ACCOUNTS", mode)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server.check_address("0.0.0.0", port)  # noqa: S104


def test_a_mode_that_is_none_is_said(tmp_path: Path) -> None:
    done = command(home=tmp_path, BORDERLINE_ACCOUNTS="yes")
    assert done.returncode == 2
    assert "local, accounts, oidc" in done.stderr


def test_oidc_without_its_settings_is_said(tmp_path: Path) -> None:
    done = command("--port", "18765", home=tmp_path, BORDERLINE_ACCOUNTS="oidc")
    assert done.returncode == 2
    assert "BORDERLINE_PUBLIC_URL" in done.stderr


@pytest.mark.parametrize("port", [0, -1, 70_000])
def test_a_port_is_a_port(port: int) -> None:
    with pytest.raises(server.ServeError, match="1 to 65535"):
        server.check_address("127.0.0.1", port)


def test_streamlit_shows_no_details_and_sends_no_statistics() -> None:
    chosen = server.options("127.0.0.1", 8501)
    assert chosen["client.toolbarMode"] == "viewer"
    assert chosen["client.showErrorDetails"] == "none"
    assert chosen["browser.gatherUsageStats"] is False
    assert chosen["server.enableAgentApi"] is False
    assert chosen["server.fileWatcherType"] == "none"
    assert "127.0.0.1" in chosen["server.allowedHosts"]
    assert "*" not in chosen["server.allowedHosts"]


def test_every_option_is_one_that_streamlit_knows() -> None:
    from streamlit import config

    unknown = set(server.options("127.0.0.1", 8501)) - set(config._config_options_template)
    assert not unknown


def test_the_component_is_one_module_with_its_parts() -> None:
    component = importlib.import_module("labeler_ui.component")
    source = importlib.import_module("labeler_ui.component.parts").script(component.PARTS)
    assert source.count("export default function") == 1
    assert "innerHTML" not in source


RENDER = """
import json, sys
from streamlit.testing.v1 import AppTest
from labeler_ui import server
server.create_app()
page = AppTest.from_file(str(server.SCRIPT), default_timeout=60)
page.query_params["page"] = "label"
page.run()
failed = [element.value for element in page.exception]
for module in ("labeler_ui.charts", "labeler_ui.pages.progress", "altair"):
    __import__(module)
heavy = sorted(name for name in sys.modules if name.partition(".")[0] in {"torch", "torchvision", "prefect", "flows"})
print(json.dumps({"heavy": heavy, "failed": failed}))
"""


def test_the_pages_process_never_loads_torch(tmp_path: Path) -> None:
    variables = {**os.environ, "BORDERLINE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", RENDER], env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=120,
        check=True,
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1]) == {"heavy": [], "failed": []}
