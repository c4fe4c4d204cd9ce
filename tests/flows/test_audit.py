"""`borderline audit` and `borderline metrics` as an operator gives them."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flows.store import Store
from tests.flows.conftest import Said, make_project

Run = Callable[..., Said]


@pytest.fixture
def birds(store: Store) -> Store:
    make_project(store, "birds", classes=("a", "b"))
    make_project(store, "cats", classes=("a", "b"))
    return store


def test_an_export_is_private_whole_and_checked(birds: Store, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "audit.jsonl"
    said = run("audit", "--all", "--out", out)
    assert said.code == 0, said.err
    last = said.out.strip().rsplit(" ", 1)[-1]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    entries = [json.loads(line) for line in out.read_text().splitlines()]
    assert {entry["name"] for entry in entries if entry["what"] == "project"} == {"birds", "cats"}
    assert f"{len(entries)} lines" in said.out
    assert run("audit", "--check", out, "--expect", last).code == 0
    anew = run("audit", "--check", out, "--expect", "0" * 64)
    assert (anew.code, "written anew" in anew.err) == (2, True)
    out.write_bytes(out.read_bytes().replace(b'"birds"', b'"bards"'))
    broken = run("audit", "--check", out)
    assert broken.code == 2
    assert "line" in broken.err
    assert "changed" in broken.err


def test_one_project_since_a_day(birds: Store, run: Run, tmp_path: Path) -> None:
    assert run("audit", "birds", "--out", tmp_path / "one.jsonl").code == 0
    text = (tmp_path / "one.jsonl").read_text()
    assert '"birds"' in text
    assert '"cats"' not in text
    assert run("audit", "birds", "--since", "2199-01-01", "--out", tmp_path / "none.jsonl").code == 0
    assert len((tmp_path / "none.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["audit"], "--out"),
        (["audit", "birds", "--all", "--out", "x"], "--all"),
        (["audit", "--all", "--since", "yesterday", "--out", "x"], "2026-09-21"),
        (["audit", "--all", "--out", "/etc/hostname"], "not there yet"),
        (["audit", "--check", "/no/such/file"], "/no/such/file"),
        (["audit", "--check", "/etc/hostname"], "line 1"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(birds: Store, run: Run, arguments: list[str], word: str) -> None:
    said = run(*arguments)
    assert said.code == 2
    assert word in said.err
    assert "Traceback" not in said.err


def test_metrics_go_to_a_file_for_the_collector(birds: Store, run: Run, tmp_path: Path) -> None:
    said = run("metrics", "--out", tmp_path / "borderline.prom")
    assert said.code == 0, said.err
    for text in ((tmp_path / "borderline.prom").read_text(), run("metrics").out):
        names = {family.name for family in text_string_to_metric_families(text)}
        assert {"borderline_database_up", "borderline_labels", "borderline_jobs"} <= names
