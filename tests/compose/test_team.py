"""A team's whole round by the compose file's own commands: from empty databases to the second round's questions."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import urllib.error
import urllib.request
import uuid
from typing import Any

import psutil
import psycopg
import pytest

from tests.compose.conftest import IMAGES
from tests.compose.stack import Stack, until

pytestmark = [pytest.mark.postgresql, pytest.mark.alone, pytest.mark.timeout(1800)]


def call(address: str, **more: Any) -> tuple[int, bytes]:
    """Ask a server; refusals are answers, too."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, **more), timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def label(page: str, token: str, project: int, count: int) -> int:
    """Answer by the HTTP API, as a program would; return how many answers were acknowledged."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    below = f"{page}/api/v1/projects/{project}"
    status, claimed = call(f"{below}/claims", data=json.dumps({"count": count}).encode(), headers=headers)
    assert status == 200, claimed
    answers = [
        {"answer_id": str(uuid.uuid4()), "query_id": query["query_id"], "token": query["token"], "outcome": "class"}
        for query in json.loads(claimed)["queries"]
    ]
    for place, answer in enumerate(answers):
        answer["class"] = str(place % 2)
    if not answers:
        return 0
    status, told = call(f"{below}/answers", data=json.dumps({"answers": answers}).encode(), headers=headers)
    assert status == 200, told
    results = json.loads(told)["results"]
    assert all(result["ok"] for result in results), results
    return len(results)


def rounds(team: Stack, project: int) -> dict[int, str]:
    return dict(team.rows(f"SELECT number, state FROM rounds WHERE project_id = {project}"))


def test_a_whole_round_and_a_worker_that_is_stopped_within_one(
    team: Stack, page: str, token: str, project: int
) -> None:
    def told() -> str:
        jobs = team.rows("SELECT kind, state, attempt, message, error FROM jobs")
        return f"rounds {rounds(team, project)}, jobs {jobs}; {team.log('worker').read_text()[-3000:]}"

    until(lambda: rounds(team, project).get(1) == "open", "first round", told)
    learn = f"SELECT count(*) FROM queries WHERE project_id = {project} AND kind = 'learn' AND NOT reserve"
    asked = team.rows(learn)[0][0]
    acknowledged = 0

    def some_are_labeled() -> bool:
        nonlocal acknowledged
        acknowledged += label(page, token, project, asked - acknowledged)
        return acknowledged >= asked

    until(some_are_labeled, "answers to the first round", told)
    until(lambda: 2 in rounds(team, project), "begin of the second round", told)
    stop_and_start_again(team)
    until(lambda: rounds(team, project).get(2) == "open", "second round", told)
    assert team.rows("SELECT count(*) FROM annotations")[0][0] == acknowledged
    trained = team.rows("SELECT count(*) FROM model_versions")[0][0]
    assert trained == 1  # by the worker that was stopped or by the next one, not by both
    assert label(page, token, project, 5) == 5


def stop_and_start_again(team: Stack) -> None:
    """`docker compose restart worker`: it ends by itself within its grace, and takes its flow runs with it."""
    worker = team.running["worker"]
    children = psutil.Process(worker.pid).children(recursive=True)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    _, alive = psutil.wait_procs(children, timeout=10)
    for child in alive:  # a container's end is theirs, too
        child.kill()
    team.start("worker")
    team.wait_until_healthy("worker")


def test_prefect_asks_for_the_password(team: Stack) -> None:
    address = f"http://127.0.0.1:{team.ports['4200']}/api/flow_runs/filter"
    body = {"data": b"{}", "headers": {"Content-Type": "application/json"}}
    assert call(address, **body)[0] == 401
    login = base64.b64encode(f"borderline:{team.secret('prefect_password')}".encode()).decode()
    body["headers"]["Authorization"] = f"Basic {login}"
    status, told = call(address, **body)
    assert status == 200
    assert isinstance(json.loads(told), list)
    body["headers"]["Authorization"] = "Basic " + base64.b64encode(b"borderline:").decode()
    assert call(address, **body)[0] == 401


def test_the_databases_ask_for_passwords_and_are_apart(team: Stack) -> None:
    where = f"host=127.0.0.1 port={team.ports['5432']}"
    own = {"borderline": team.secret("database_password"), "prefect": team.secret("prefect_database_password")}
    for name, password in own.items():
        with psycopg.connect(f"{where} user={name} dbname={name} password={password}") as connection:
            assert connection.execute("SELECT usesuper FROM pg_user WHERE usename = current_user").fetchone() == (
                False,
            )
        other = next(iter(set(own) - {name}))
        for wrong in (f"user={name} dbname={name}", f"user={name} dbname={other} password={password}"):
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(f"{where} {wrong}")
    team.make_databases()  # again: nothing is lost
    assert team.check("postgres").returncode == 0


@pytest.mark.parametrize("name", ["migrate", "page", "worker", "prefect"])
def test_without_its_secret_a_service_refuses_to_start(team: Stack, name: str) -> None:
    environment = team.environment(name)
    missing = f"{team.folder}/secrets/nowhere"
    nowhere = {setting: missing for setting in environment if setting.endswith("_PASSWORD_FILE")}
    ended = team.run(name, **nowhere)
    assert ended.returncode == 2, ended.stderr
    assert re.search(rf"expected a secret in {missing} \((?:{'|'.join(nowhere)})\), got: No such file", ended.stderr)
    assert "Traceback" not in ended.stderr


def test_a_service_that_does_not_work_is_not_healthy(team: Stack) -> None:
    nowhere = {"BORDERLINE_PORT": "9", "BORDERLINE_PREFECT_API_URL": "http://127.0.0.1:9/api"}
    for name in ("page", "prefect"):
        ended = team.run(name, *team.compose["services"][name]["healthcheck"]["test"][1:], **nowhere)
        assert ended.returncode == 1
        assert ended.stderr.startswith("borderline: expected the "), ended.stderr
    assert team.run("migrate", "borderline", "healthy", "database").returncode == 0


def test_each_service_says_where_it_is_and_no_secret(team: Stack, project: int) -> None:
    logs = {name: team.log(name).read_text() for name in ("page", "worker", "prefect")}
    for name in ("page", "worker"):
        assert f"the {name} is connected to postgresql+psycopg://borderline:***@127.0.0.1:" in logs[name]
    secrets = {name: team.secret(name) for name in team.compose["secrets"]}
    assert [name for name, secret in secrets.items() if not secret] == ["oidc_client_secret"]  # nobody has a provider
    for secret in filter(None, secrets.values()):
        assert not [name for name, log in logs.items() if secret in log]
    for process in team.running.values():
        assert team.secret("database_password") not in " ".join(psutil.Process(process.pid).cmdline())


def test_the_services_wrote_only_where_the_file_gives_them_room(team: Stack, project: int) -> None:
    """Images are only read, and nobody but the owner can look into the volumes."""
    assert sorted(path.suffix for path in (team.folder / "images").iterdir()) == [".png"] * IMAGES
    if team.other_user:
        owners = {process.uids().real for process in map(psutil.Process, (p.pid for p in team.running.values()))}
        assert owners == {10001}
        denied = subprocess.run([*team.prefix, "touch", team.folder / "images" / "x"], capture_output=True)
        assert denied.returncode != 0
