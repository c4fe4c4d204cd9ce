"""Logs: one form, one line a record, no secret in any form that one may have, nothing that moves a cursor."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import connections, logs, redaction
from db.errors import InvalidInput
from tests.database_fixtures import Place

ROOT = Path(__file__).parents[2]
CANARY = "canary-4711-secret"
HOSTILE = "one\r\n2026-01-01 CRITICAL forged: \x1b[2J\x9b1m\u2028\u202e end"
FORMS = [
    "postgresql+psycopg://ada:{}@db.example.org/zoo",
    "postgresql://ada:p@{}/x@db/zoo",  # an @ and a slash that nobody encoded
    "host=/run/pg user=ada password={} dbname=zoo",
    "https://ada:{}@prefect.example.org/api",
    "{{'password': '{}', 'name': 'ada'}}",
    '{{"client_secret": "{}"}}',
    "old_password='{}' and more",
    "password='{}",  # cut off
    "POST /login?name=ada&password={}&next=/ HTTP/1.1",
    "GET /join?token={} HTTP/1.1",
    "Authorization: Bearer {}",
    "authorization: Basic {}",
    "[(b'host', b'x'), (b'authorization', b'Bearer {}')]",
    "a bearer {} was sent",
    "Cookie: a=b; borderline_session={}; c=d",
    "(b'cookie', b'_streamlit_user={}')",
    "set-cookie: borderline_session={}; HttpOnly",
    "borderline_session={}",
    "(b'x-borderline-token', b'{}')",
    "PREFECT_API_KEY={}",
    "AWS_SECRET_ACCESS_KEY = {}",
    "the token is blt_{}",
    "signed by whs_{}",
    "a pass of the page: eyJlIjoxNzkwMDAwMDAwfQaaaa.{}",
]


def record(message: str, *args: object, level: int = logging.WARNING, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("labeler_ui.test", level, __file__, 1, message, args, more.pop("exc_info", None))
    made.__dict__.update(more)
    return made


def failure(text: str) -> Any:
    try:
        raise ValueError(text)
    except ValueError:
        return sys.exc_info()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "made", [logs.JsonFormatter(), logs.TextFormatter(), logs.MessageFormatter()], ids=lambda made: type(made).__name__
)
def test_a_secret_is_not_written_whatever_form_it_is_in(form: str, made: logging.Formatter) -> None:
    text = form.format(CANARY)
    said = record(text)
    assert CANARY in said.getMessage()
    assert CANARY not in made.format(said)
    assert CANARY not in made.format(record("%s: %r", "it broke", text))
    assert CANARY not in made.format(record("it broke", exc_info=failure(text)))


def test_a_value_that_was_hidden_is_not_written_however_it_is_spelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", set())
    redaction.hide("p/a ss'w\\rd@1", "ab")
    for spelled in ("p/a ss'w\\rd@1", "p%2Fa%20ss%27w%5Crd%401", "p%2Fa+ss%27w%5Crd%401", repr("p/a ss'w\\rd@1")):
        assert redaction.redact(f"it was {spelled} here") in ("it was *** here", 'it was "***" here')
    assert redaction.redact("ab is too short to be searched for") == "ab is too short to be searched for"


def test_what_the_environment_keeps_secret_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", set())
    redaction.hide_environment(
        {
            "BORDERLINE_METRICS_TOKEN": CANARY,
            "PREFECT_API_AUTH_STRING": "ada:pass",
            "X_TOKEN_FILE": "/run/x",
            "PWD": "/home/ada",
        }
    )
    assert redaction.redact(f"{CANARY} ada:pass /run/x /home/ada") == "*** *** /run/x /home/ada"


def test_the_databases_password_is_hidden_once_it_is_known(sqlite_place: Place) -> None:
    from db.engine import Database

    url = connections.normalize_url(f"postgresql://ada:{CANARY}9@localhost/zoo", sqlite_place.home)
    Database(url, sqlite_place.home).close()
    assert redaction.redact(f"it said {CANARY}9") == "it said ***"


@given(st.text())
def test_any_text_is_one_line_that_can_be_read_back(text: str) -> None:
    written = logs.JsonFormatter().format(record("%s", text))
    assert len(written.splitlines()) == 1
    assert set(json.loads(written)) >= {"time", "level", "logger", "message"}
    assert written.isprintable()
    assert logs.TextFormatter().format(record("%s", text)).isprintable()


def test_a_traceback_cannot_pass_for_lines_of_the_log() -> None:
    found = failure(HOSTILE)
    text = logs.TextFormatter().format(record(HOSTILE, exc_info=found))
    first, *rest = text.split("\n")
    assert "forged" in first
    assert all(line.startswith("    ") for line in rest)
    assert any("forged" in line for line in rest)
    for written in (text, logs.JsonFormatter().format(record(HOSTILE, exc_info=found))):
        assert not {"\r", "\x1b", "\x9b", "\u2028", "\u202e"} & set(written)
    assert "\n" not in logs.JsonFormatter().format(record(HOSTILE, exc_info=found))


def test_a_wrong_number_of_arguments_loses_no_line() -> None:
    assert "only %s" in json.loads(logs.JsonFormatter().format(record("only %s and %s", 1)))["message"]


def test_a_line_says_where_it_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    with logs.context(project_id=3), logs.context(job_id=7, note=HOSTILE):
        said = json.loads(logs.JsonFormatter().format(record("hello")))
        assert (said["project_id"], said["job_id"]) == (3, 7)
        assert "project_id=3 job_id=7" in logs.TextFormatter().format(record("hello"))
        assert logs.TextFormatter().format(record("hello")).isprintable()
    assert "project_id" not in json.loads(logs.JsonFormatter().format(record("hello")))
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "run-1")
    assert json.loads(logs.JsonFormatter().format(record("hello")))["flow_run_id"] == "run-1"
    assert json.loads(logs.JsonFormatter().format(record("hello", flow_run_id="run-2")))["flow_run_id"] == "run-2"


def test_a_context_stays_in_its_thread() -> None:
    said: list[str] = []
    with logs.context(project_id=3):
        thread = threading.Thread(target=lambda: said.append(logs.JsonFormatter().format(record("hello"))))
        thread.start()
        thread.join()
    assert "project_id" not in said[0]


PROGRAM = f"""
import logging, threading, warnings
from db import logs
logs.configure()
logging.getLogger("flows.x").info("told at %s", "info")
logging.getLogger("sqlalchemy").info("not told")
warnings.warn("postgresql://ada:{CANARY}@db/zoo")
def broken(): raise ValueError("password={CANARY}")
thread = threading.Thread(target=broken); thread.start(); thread.join()
broken()
"""


def said_by_a_process(form: str | None) -> tuple[int, str]:
    environment = {"PYTHONPATH": str(ROOT), **({logs.FORMAT: form} if form else {})}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize("form", [None, "json", "text"])
def test_what_ends_a_process_or_a_thread_is_logged_like_all_else(form: str | None) -> None:
    code, said = said_by_a_process(form)
    assert code == 1
    assert CANARY not in said
    assert "not told" not in said
    if form == "text":
        assert said.count("\n    Traceback (most recent call last):") == 2
        return
    found = [json.loads(line) for line in said.splitlines()]  # not on a terminal: JSON, every line of it
    assert [line["level"] for line in found] == ["INFO", "WARNING", "CRITICAL", "CRITICAL"]
    assert found[-1]["exception"].endswith("ValueError: password=***")


def test_an_unknown_format_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(logs.FORMAT, "xml")
    with pytest.raises(InvalidInput, match="text, json, got 'xml'"):
        logs.formatter()
