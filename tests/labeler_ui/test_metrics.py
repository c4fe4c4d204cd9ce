"""/metrics: who gets it, from where, with what; and that it counts what came in."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from db.errors import SecretError
from labeler_ui import api, server, store
from labeler_ui.api import metrics
from labeler_ui.hosts import HostGuard
from tests.labeler_ui.conftest import token_for
from tests.labeler_ui.programs import Headers, answer_to, claim, send
from tests.labeler_ui.seed import Seeded
from tests.labeler_ui.team import make_client

SECRET = "canary-metrics-token-0123"
HERE = ("127.0.0.1", 50_000)
Environment = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def alone(monkeypatch: Environment) -> None:
    for name in (metrics.TOKEN, f"{metrics.TOKEN}_FILE", "BORDERLINE_ACCOUNTS", "BORDERLINE_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)


def ask(
    home: Path, caller: tuple[str, int] = HERE, base: str = "http://127.0.0.1:8501", **headers: str
) -> tuple[int, str]:
    """Ask the route behind the guard of hosts, as the page puts them together."""
    guard = Middleware(HostGuard, hosts=server.allowed_hosts())
    app = Starlette(routes=metrics.routes(store.database), middleware=[guard])
    with TestClient(app, base_url=base, client=caller) as client:
        answer = client.get(metrics.PATH, headers={name.replace("_", "-"): text for name, text in headers.items()})
        return answer.status_code, answer.text


def test_this_machine_alone_may_ask_without_a_token(home: Path) -> None:
    status, text = ask(home)
    assert status == 200
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"borderline_database_up", "borderline_answers", "process_resident_memory_bytes"} <= names


@pytest.mark.parametrize("header", metrics.PROXIES)
def test_nobody_comes_through_a_proxy_without_a_token(home: Path, header: str) -> None:
    status, text = ask(home, **{header: "127.0.0.1"})
    assert status == 403
    assert "borderline_" not in text


@pytest.mark.parametrize("address", ["192.168.1.7", "203.0.113.5", "::ffff:203.0.113.5", "testclient", ""])
def test_nobody_elsewhere_may_ask_without_a_token(home: Path, address: str) -> None:
    assert ask(home, (address, 1))[0] == 403


def test_another_name_for_this_machine_is_refused(home: Path, monkeypatch: Environment) -> None:
    monkeypatch.setenv("BORDERLINE_ALLOWED_HOSTS", "labels.example.org")
    assert ask(home, base="http://labels.example.org")[0] == 403


@pytest.mark.parametrize(
    ("name", "value"), [("BORDERLINE_PUBLIC_URL", "https://labels.example.org"), ("BORDERLINE_ACCOUNTS", "accounts")]
)
def test_where_a_proxy_may_stand_in_front_loopback_proves_nothing(
    home: Path, monkeypatch: Environment, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    status, text = ask(home)
    assert status == 403
    assert metrics.TOKEN in text
    monkeypatch.setenv(metrics.TOKEN, SECRET)
    assert ask(home, authorization=f"Bearer {SECRET}")[0] == 200


WRONG = ["", SECRET, f"Basic {SECRET}", f"Bearer {SECRET[:-1]}", f"Bearer {SECRET}x", "Bearer \xfc"]


@pytest.mark.parametrize("sent", WRONG)
def test_with_a_token_nobody_is_let_in_without_it(home: Path, monkeypatch: Environment, sent: str) -> None:
    monkeypatch.setenv(metrics.TOKEN, SECRET)
    status, text = ask(home, authorization=sent.encode("latin-1")) if sent else ask(home)
    assert status == 401
    assert "borderline_" not in text
    assert SECRET not in text


def test_with_a_token_anybody_gets_in_with_it(home: Path, monkeypatch: Environment) -> None:
    monkeypatch.setenv(metrics.TOKEN, SECRET)
    assert ask(home, ("203.0.113.5", 1), authorization=f"Bearer {SECRET}", x_forwarded_for="203.0.113.9")[0] == 200


def test_the_token_may_stand_in_a_file_that_is_closed_to_others(
    home: Path, monkeypatch: Environment, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    monkeypatch.setenv(f"{metrics.TOKEN}_FILE", str(file))
    file.chmod(0o644)
    with pytest.raises(SecretError, match="closed to others"):
        metrics.token()
    file.chmod(0o600)
    assert ask(home, authorization=f"Bearer {SECRET}")[0] == 200
    monkeypatch.setenv(metrics.TOKEN, SECRET)
    with pytest.raises(ValueError, match="got both"):
        metrics.token()


@pytest.mark.parametrize("short", ["abc", "fifteen letters", "ü" * 20])
def test_a_token_that_can_be_guessed_is_refused_at_the_start(monkeypatch: Environment, short: str) -> None:
    monkeypatch.setenv(metrics.TOKEN, short)
    with pytest.raises(ValueError, match="16 ASCII characters"):
        api.routes(api.Service(open_database=store.database, secret=b"", team=False))


def test_the_gate_of_a_team_leaves_the_route_to_its_own_check(team: Seeded, monkeypatch: Environment) -> None:
    monkeypatch.setenv(metrics.TOKEN, SECRET)
    with make_client() as client:
        assert client.get(metrics.PATH).status_code == 401
        assert client.get(metrics.PATH, headers={"authorization": f"Bearer {SECRET}"}).status_code == 200


def numbers(client: TestClient, project: str) -> dict[str, float]:
    families = text_string_to_metric_families(client.get(metrics.PATH).text)
    samples = [sample for family in families for sample in family.samples]
    took = [sample for sample in samples if sample.name == "borderline_answer_request_duration_seconds_count"]
    saved = [sample for sample in samples if sample.name == "borderline_answers_total"]
    mine = sum(sample.value for sample in saved if sample.labels["project"] == project)
    return {"page": 0, "api": 0, "saved": mine} | {sample.labels["way"]: sample.value for sample in took}


def test_answers_are_counted_once_on_both_ways(client: TestClient, seeded: Seeded, headers: Headers) -> None:
    project = str(seeded.project.id)
    app = Starlette(routes=metrics.routes(store.database))
    with TestClient(app, client=HERE, base_url="http://localhost") as scraper:
        before = numbers(scraper, project)
        query, other = claim(client, seeded, headers, 2)
        once = answer_to(query)
        send(client, seeded, headers, once)
        send(client, seeded, headers, once)  # a repeat is no second answer
        entry = {
            "id": str(uuid.uuid4()), "kind": "answer", "query_id": other["query_id"], "token": other["token"],
            "outcome": "skip",
        }  # fmt: skip
        for _ in range(2):
            path = f"/api/projects/{project}/answers"
            client.post(path, json={"answers": [entry]}, headers=token_for(seeded))
        after = numbers(scraper, project)
    assert {name: after[name] - before[name] for name in after} == {"page": 2, "api": 2, "saved": 2}
