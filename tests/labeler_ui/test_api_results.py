"""What came of it by the HTTP API: statistics, labels, exports, and errors that tell nothing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from db import projects
from labeler_ui import api, store
from labeler_ui.hosts import HostGuard
from tests.labeler_ui.programs import ROOT, Headers, answer_to, bearer, claim, send, url
from tests.labeler_ui.seed import Seeded, seed

pytestmark = pytest.mark.filterwarnings("ignore::starlette.exceptions.StarletteDeprecationWarning")


def label(client: TestClient, seeded: Seeded, headers: Headers, count: int) -> None:
    send(client, seeded, headers, *(answer_to(query) for query in claim(client, seeded, headers, count)))


def test_statistics_count_what_was_saved(client: TestClient, seeded: Seeded, headers: Headers) -> None:
    label(client, seeded, headers, 4)
    found = client.get(url(seeded, "/stats"), headers=headers).json()
    assert found["labels_per_class"] == {str(digit): 4 if digit == 3 else 0 for digit in range(10)}
    assert found["counts"]["labels"] == 4
    assert [(turn["number"], turn["labels_gained"], turn["k"]) for turn in found["rounds"]] == [(1, 4, 10)]


def test_labels_come_in_pages_that_miss_and_repeat_none(client: TestClient, seeded: Seeded, headers: Headers) -> None:
    label(client, seeded, headers, 7)
    found, after = [], 0
    while after is not None:
        answer = client.get(url(seeded, "/labels"), params={"after": after, "limit": 3}, headers=headers).json()
        found += [row["sample_id"] for row in answer["labels"]]
        after = answer["next_after"]
    assert found == sorted({row["sample_id"] for row in seeded.answers()})
    whole = client.get(url(seeded, "/labels"), headers=headers).json()["labels"]
    lines = client.get(url(seeded, "/export"), params={"format": "jsonl"}, headers=headers).text.splitlines()
    assert whole == [json.loads(line) for line in lines]
    for wrong in ({"limit": 0}, {"limit": "x"}, {"after": -1}, {"limit": "1e3"}, {"after": "٣"}):
        assert client.get(url(seeded, "/labels"), params=wrong, headers=headers).status_code == 422


def test_exports_hold_every_label(client: TestClient, seeded: Seeded, headers: Headers) -> None:
    label(client, seeded, headers, 5)
    lines = client.get(url(seeded, "/export"), params={"format": "jsonl"}, headers=headers)
    table = client.get(url(seeded, "/export"), headers=headers)
    assert "attachment" in table.headers["content-disposition"]
    rows = [json.loads(line) for line in lines.text.splitlines()]
    cells = list(csv.DictReader(io.StringIO(table.text)))
    assert len(rows) == len(cells) == 5
    assert [str(row["sample_id"]) for row in rows] == [row["sample_id"] for row in cells]
    assert {row["class"] for row in rows} == {"3"}
    votes = client.get(url(seeded, "/export"), params={"what": "votes", "format": "jsonl"}, headers=headers)
    assert len(votes.text.splitlines()) == 5
    tasks = client.get(url(seeded, "/export"), params={"format": "label-studio"}, headers=headers)
    assert len(tasks.json()) == 5
    assert client.get(url(seeded, "/export"), params={"what": "all"}, headers=headers).status_code == 422
    assert client.get(url(seeded, "/export"), params={"format": "xlsx"}, headers=headers).status_code == 422


def test_names_full_of_formulas_are_text_in_csv_and_whole_in_json(client: TestClient, database: Any) -> None:
    hostile = '=HYPERLINK("http://evil.example","x")'
    seeded = seed(database, classes=(hostile, "b"))
    headers = bearer(seeded)
    send(client, seeded, headers, answer_to(claim(client, seeded, headers)[0], **{"class": hostile}))
    table = client.get(url(seeded, "/export"), headers=headers).text
    assert [row["class"] for row in csv.DictReader(io.StringIO(table))] == [f"'{hostile}"]
    lines = client.get(url(seeded, "/export"), params={"format": "jsonl"}, headers=headers).text
    assert json.loads(lines)["class"] == hostile


def test_a_deleted_project_says_so(client: TestClient, seeded: Seeded, headers: Headers) -> None:
    projects.delete_project(seeded.database, seeded.actor, seeded.project.id)
    for rest in ("", "/stats", "/labels", "/export"):
        assert client.get(url(seeded, rest), headers=headers).status_code == 404
    assert client.get(f"{ROOT}/projects", headers=headers).json() == {"projects": []}


def test_a_failure_inside_is_an_apology_without_details(
    client: TestClient, seeded: Seeded, headers: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine: Callable[..., Any] = seeded.database.read
    turns = iter([True])
    monkeypatch.setattr(seeded.database, "read", lambda work: genuine(work) if next(turns, False) else 1 / 0)
    answer = client.get(url(seeded, "/stats"), headers=headers)
    assert answer.status_code == 500
    assert "ZeroDivision" not in answer.text
    assert "/" not in answer.json()["error"]["message"]


def test_the_app_serves_the_api_as_it_stands(home: Path) -> None:
    service = api.Service(open_database=store.database, secret=store.secret())
    guard = Middleware(HostGuard, hosts=["testserver"])
    with TestClient(Starlette(routes=list(api.routes(service)), middleware=[guard])) as client:
        assert client.get(f"{ROOT}/openapi.json").json()["info"]["title"] == "Borderline"
