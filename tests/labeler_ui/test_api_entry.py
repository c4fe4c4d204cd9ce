"""Who gets into the HTTP API: tokens, projects, roles, pace."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from db import api_tokens
from db.records import Role
from labeler_ui.api.v1 import OPERATIONS, entry
from tests.labeler_ui.programs import ROOT, Headers, Session, bearer, claim, member, url
from tests.labeler_ui.seed import Seeded, seed

pytestmark = pytest.mark.filterwarnings("ignore::starlette.exceptions.StarletteDeprecationWarning")


@pytest.fixture
def session(client: TestClient, seeded: Seeded) -> Session:
    return Session(client, seeded)


def test_each_route_needs_a_live_token_in_the_header(session: Session) -> None:
    token = session.headers["authorization"].removeprefix("Bearer ")
    tries = ({"x-none": "1"}, {"authorization": token}, {"authorization": f"Basic {token}"},
             {"authorization": f"Bearer {token[:-1]}"}, {"x-borderline-token": token})  # fmt: skip
    for operation in OPERATIONS:
        session.path(operation)
        session.seeded.database.write(lambda session: session.execute(text("DELETE FROM throttles")))
        for headers in tries:
            answer = session.call(operation, headers)
            assert (answer.status_code, answer.json()["error"]["reason"]) == (401, "token"), operation.name
            assert answer.headers["www-authenticate"].startswith("Bearer")
        asked = session.call(operation, {"x-none": "1"}, params={"token": token, "access_token": token})
        assert asked.status_code == 401


def test_a_token_for_one_project_opens_no_other(session: Session) -> None:
    other = seed(session.seeded.database)
    headers = bearer(other, project_id=other.project.id)
    for operation in OPERATIONS:
        if "{project_id}" in operation.path:
            answer = session.call(operation, headers)
            assert (answer.status_code, answer.json()["error"]["reason"]) == (403, "forbidden"), operation.name
        else:
            assert session.call(operation, headers).status_code == 200
    listed = session.client.get(f"{ROOT}/projects", headers=headers).json()["projects"]
    assert [project["id"] for project in listed] == [other.project.id]


def test_each_route_refuses_the_roles_below_the_one_it_names(session: Session) -> None:
    people = {role: member(session.seeded, f"member {role}", role) for role in (None, *Role)}
    for operation in sorted(OPERATIONS, key=lambda operation: operation.method == "DELETE"):
        if operation.role:
            need = Role[operation.role]
            codes = {role: session.call(operation, headers).status_code for role, headers in people.items()}
            refused = {role for role, code in codes.items() if code == 403}
            assert refused == {role for role in people if role is None or role < need}, operation.name


def test_a_role_counts_as_it_is_now(client: TestClient, seeded: Seeded) -> None:
    eve = member(seeded, "eve", Role.annotator)
    assert claim(client, seeded, eve)
    seeded.database.write(lambda session: session.execute(text("UPDATE memberships SET role = 'viewer'")))
    assert client.post(url(seeded, "/claims"), json={}, headers=eve).status_code == 403
    seeded.database.write(lambda session: session.execute(text("UPDATE users SET disabled_at = 1 WHERE name = 'eve'")))
    assert client.post(url(seeded, "/claims"), json={}, headers=eve).status_code == 401


def test_many_failures_are_answered_with_429_and_valid_tokens_are_not(
    client: TestClient, seeded: Seeded, headers: Headers
) -> None:
    wrong = {"authorization": "Bearer blt_" + "x" * 43}
    codes = [client.get(f"{ROOT}/me", headers=wrong).status_code for _ in range(api_tokens.FREE_FAILURES + 2)]
    assert codes == [401] * api_tokens.FREE_FAILURES + [429, 429]
    assert client.get(f"{ROOT}/me", headers=wrong).headers["retry-after"] == "60"
    assert client.get(f"{ROOT}/me", headers=headers).status_code == 200


def test_a_token_that_asks_too_fast_waits_and_others_do_not(
    client: TestClient, seeded: Seeded, headers: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [100.0]
    monkeypatch.setattr(entry.time, "monotonic", lambda: moment[0])
    codes = [client.get(f"{ROOT}/me", headers=headers).status_code for _ in range(int(entry.BURST) + 1)]
    assert codes == [200] * int(entry.BURST) + [429]
    assert client.get(f"{ROOT}/me", headers=bearer(seeded, "grace")).status_code == 200
    moment[0] += 1.5 / entry.REQUESTS_A_SECOND
    assert client.get(f"{ROOT}/me", headers=headers).status_code == 200
    assert client.get(f"{ROOT}/me", headers=headers).json()["error"]["reason"] == "too_fast"


def test_no_other_site_may_read_answers_and_foreign_host_names_are_refused(
    client: TestClient, seeded: Seeded, headers: Headers
) -> None:
    answer = client.get(f"{ROOT}/me", headers={**headers, "origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert client.options(f"{ROOT}/me", headers={"origin": "https://evil.example"}).status_code == 405
    assert client.get(f"{ROOT}/me", headers={**headers, "host": "evil.example"}).status_code == 403
