"""What the runner, Prefect's processes and commands write: our form, and none of the secrets that went through."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.settings import Settings

ROOT = Path(__file__).parents[2]
CANARY = "canary-4711-secret"
URL = f"postgresql://ada:{CANARY}@127.0.0.1:1/zoo"

# What `prefect server start`, the runner and `prefect.engine` (a flow run) do first: import prefect with our settings
PREFECT = f"""
import logging, os
from prefect import flow
from prefect.logging.configuration import PROCESS_LOGGING_CONFIG
for name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(name).handlers.clear()  # those that send to a server: there is none here
for name in ("prefect.server", "uvicorn", "fastapi", "prefect.flow_runs", "flows.x", "prefect._internal"):
    logging.getLogger(name).error("%s broke with Authorization: Basic {CANARY}", name)
logging.getLogger("flows.x").info("told at info")
try:
    raise RuntimeError("{URL}")
except RuntimeError:
    logging.getLogger("prefect.task_runs").exception("it broke", extra={{"flow_run_id": "run-7"}})
handlers = PROCESS_LOGGING_CONFIG["handlers"]
assert {{handlers[name]["formatter"] for name in ("api", "worker_api")}} == {{"message"}}, handlers
assert PROCESS_LOGGING_CONFIG["formatters"]["message"]["()"] == "db.logs.MessageFormatter"
"""


def run(program: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "BORDERLINE_HOME": str(folder), **variables}
    command = [sys.executable, *program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)


def test_prefects_processes_log_in_our_form_without_secrets(tmp_path: Path) -> None:
    variables = {**Settings(home=tmp_path, prefect_port=4200).prefect_environment(), "BORDERLINE_LOG_FORMAT": "json"}
    done = run(["-c", PREFECT], tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    assert CANARY not in done.stdout + done.stderr
    found = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["logger"] for line in found} == {
        "prefect.server", "uvicorn", "fastapi", "prefect.flow_runs", "flows.x", "prefect._internal",
        "prefect.task_runs",
    }  # fmt: skip
    [last] = [line for line in found if line["logger"] == "prefect.task_runs"]
    assert last["flow_run_id"] == "run-7"
    assert last["exception"].endswith("RuntimeError: postgresql://ada:***@127.0.0.1:1/zoo")


BUG = f"""
import sys
from flows.cli import app, main
@app.command()
def bug():
    raise KeyError("password={CANARY}")
sys.argv[1:] = ["bug"]
main()
"""


@pytest.mark.parametrize(
    "program",
    [["-m", "flows.cli", "metrics"], ["-m", "flows.compare", "1"], ["-c", BUG]],
    ids=["metrics", "compare", "a bug"],
)
def test_a_command_that_fails_says_no_secret(program: list[str], tmp_path: Path) -> None:
    done = run(program, tmp_path, BORDERLINE_DATABASE_URL=URL)
    assert done.returncode != 0
    assert CANARY not in done.stdout + done.stderr
    assert "***" in done.stderr
