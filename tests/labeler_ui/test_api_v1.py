"""The HTTP API against the real store: who gets in, what comes back, and that it is what the document says."""

from __future__ import annotations

import csv
import io
import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from PIL import Image
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from db import access, api_tokens, projects
from db.records import Actor, Role
from labeler_ui import api, store
from labeler_ui.api.v1 import OPERATIONS, entry, results
from labeler_ui.api.v1.table import Operation
from labeler_ui.hosts import HostGuard
from tests.labeler_ui.seed import Seeded, seed

pytestmark = pytest.mark.filterwarnings("ignore::starlette.exceptions.StarletteDeprecationWarning")

ROOT = "/api/v1"


@pytest.fixture
def home(home: Path, sqlite_template: Path) -> Path:
    """A home whose tables are made already."""
    shutil.copy(sqlite_template, home / "borderline.db")
    return home


BY_NAME = {operation.name: operation for operation in OPERATIONS}
Headers = dict[str, str]


def bearer(seeded: Seeded, name: str = "ada", **limits: Any) -> Headers:
    actor = store.actor(seeded.database, name)
    return {"authorization": f"Bearer {api_tokens.create(seeded.database, actor, actor.user_id, 't', **limits).secret}"}


def member(seeded: Seeded, name: str, role: Role | None) -> Headers:
    user = access.add_user(seeded.database, seeded.actor, name)
    if role is not None:
        access.add_member(seeded.database, seeded.actor, seeded.project.id, user.id, role)
    made = api_tokens.create(seeded.database, Actor(user_id=user.id, name=name), user.id, "t")
    return {"authorization": f"Bearer {made.secret}"}


@pytest.fixture
def headers(seeded: Seeded) -> Headers:
    return bearer(seeded)


def url(seeded: Seeded, rest: str = "") -> str:
    return f"{ROOT}/projects/{seeded.project.id}{rest}"


def claim(client: TestClient, seeded: Seeded, headers: Headers, count: int = 3) -> list[dict]:
    answer = client.post(url(seeded, "/claims"), json={"count": count}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["queries"]


def answer_to(query: dict, **changes: object) -> dict:
    base = {"answer_id": str(uuid.uuid4()), "query_id": query["query_id"], "token": query["token"]}
    return {**base, "outcome": "class", "class": "3", **changes}


def send(client: TestClient, seeded: Seeded, headers: Headers, *answers: object) -> list[dict]:
    answer = client.post(url(seeded, "/answers"), json={"answers": list(answers)}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


# --- the document is what is served


class Session:
    """A program that uses every operation once, so that each real answer can be held against the document."""

    def __init__(self, client: TestClient, seeded: Seeded) -> None:
        self.client, self.seeded, self.headers = client, seeded, bearer(seeded)
        query = claim(client, seeded, self.headers)[0]
        self.sample, self.answer = query["sample_id"], answer_to(query)
        self.kept = answer_to(claim(client, seeded, self.headers)[1])
        send(client, seeded, self.headers, self.kept)
        hook = client.post(url(seeded, "/webhooks"), json={"url": "https://example.org/"}, headers=self.headers)
        self.hook = hook.json()["webhook"]["id"]

    def body(self, name: str) -> dict | None:
        return {
            "claim": {"count": 2, "lease_seconds": 60},
            "answer": {"answers": [self.answer, {"answer_id": "x"}]},
            "release": {"query_ids": [1]},
            "undo": {"undo_id": str(uuid.uuid4()), "answer_id": self.kept["answer_id"]},
            "addWebhook": {"url": "https://example.org/", "topics": ["round.completed"]},
            "testWebhook": {},
        }.get(name)

    def path(self, operation: Operation) -> str:
        if operation.name == "listDeliveries":
            self.call(BY_NAME["testWebhook"])
        ids = {"project_id": self.seeded.project.id, "sample_id": self.sample, "webhook_id": self.hook}
        return ROOT + operation.path.format(**ids)

    def call(self, operation: Operation, headers: Headers | None = None, **more: Any) -> Any:
        body = self.body(operation.name)
        given = {"json": body, **more} if body is not None and "content" not in more else more
        where = self.path(operation) if not more.get("url") else more.pop("url")
        return self.client.request(operation.method, where, headers=headers or self.headers, **given)


@pytest.fixture
def session(client: TestClient, seeded: Seeded) -> Session:
    return Session(client, seeded)


def validate(document: dict, schema: dict, value: object) -> None:
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(value)


def test_each_real_answer_is_what_the_document_says(session: Session) -> None:
    document = session.client.get(f"{ROOT}/openapi.json").json()
    for operation in sorted(OPERATIONS, key=lambda operation: operation.method == "DELETE"):
        described = document["paths"][ROOT + operation.path][operation.method.lower()]
        assert described["operationId"] == operation.name
        if operation.request is not None:
            schema = described["requestBody"]["content"]["application/json"]["schema"]
            good = {"answers": [session.answer]} if operation.name == "answer" else session.body(operation.name)
            validate(document, schema, good)
        answer = session.call(operation)
        content = described["responses"][str(answer.status_code)]["content"]
        media = answer.headers["content-type"].partition(";")[0]
        assert media in content, operation.name
        if media == "application/json":
            validate(document, content[media]["schema"], answer.json())


def test_a_refusal_is_what_the_document_says(session: Session) -> None:
    document = session.client.get(f"{ROOT}/openapi.json").json()
    answer = session.call(BY_NAME["stats"], {"authorization": "Bearer x"})
    described = document["paths"][ROOT + BY_NAME["stats"].path]["get"]
    named = described["responses"][str(answer.status_code)]["$ref"].rpartition("/")[2]
    error = document["components"]["responses"][named]["content"]["application/json"]["schema"]
    validate(document, error, answer.json())


def test_the_document_names_every_route_and_its_references_lead_somewhere(client: TestClient, home: Path) -> None:
    document = client.get(f"{ROOT}/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    found = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    assert found == {(ROOT + operation.path, operation.method) for operation in OPERATIONS}
    names = [described["operationId"] for methods in document["paths"].values() for described in methods.values()]
    assert len(names) == len(set(names)) == len(OPERATIONS)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    references = set(_references(document))
    assert references
    for reference in references:
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from [value["$ref"]] if "$ref" in value else []
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


@pytest.mark.parametrize("name", ["release", "undo", "addWebhook", "answer"])
def test_what_the_document_requires_is_required(session: Session, name: str) -> None:
    operation = BY_NAME[name]
    body = session.body(name) or {}
    for field in (operation.request or {})["required"]:
        less = {key: value for key, value in body.items() if key != field}
        assert session.client.post(session.path(operation), json=less, headers=session.headers).status_code == 422


def test_the_page_for_people_has_no_scripts_and_nothing_from_elsewhere(client: TestClient, home: Path) -> None:
    answer = client.get(f"{ROOT}/docs")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "<script" not in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    for operation in OPERATIONS:
        assert f"<section id='{operation.name}'>" in answer.text


def test_other_addresses_below_are_a_json_404(client: TestClient, home: Path) -> None:
    for method, path in (
        ("GET", "/nothing"),
        ("GET", "/projects/one"),
        ("DELETE", "/projects"),
        ("GET", "/projects/-1"),
    ):
        answer = client.request(method, ROOT + path)
        assert (answer.status_code, answer.json()["error"]["reason"]) == (404, "not_found"), path


# --- who gets in


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


# --- labeling


def test_answers_are_saved_once_with_one_result_each(client: TestClient, seeded: Seeded, headers: Headers) -> None:
    one, two, three = claim(client, seeded, headers)
    first, second = answer_to(one), answer_to(two, outcome="skip")
    del second["class"]
    wrong = answer_to(three, **{"class": "unicorn"})
    found = send(client, seeded, headers, first, wrong, second, first, {**first, "class": "4"}, "nonsense")
    assert [result["ok"] for result in found] == [True, False, True, True, False, False]
    assert [result["answer_id"] for result in found[:3]] == [entry["answer_id"] for entry in (first, wrong, second)]
    assert [found[0]["repeated"], found[3]["repeated"]] == [False, True]
    assert "'0', '1'" in found[1]["error"]["message"]
    assert found[4]["error"]["reason"] == "conflict"
    assert {result["retry"] for result in found if not result["ok"]} == {False}
    assert [(row["class_name"], row["client_version"]) for row in seeded.answers()] == [("3", "api-1"), (None, "api-1")]


DAMAGES: list[dict] = [
    {"class": None}, {"class": 3}, {"class_id": True, "class": None}, {"outcome": "maybe"}, {"outcome": ["class"]},
    {"answer_id": "x"}, {"answer_id": None}, {"query_id": "1"}, {"query_id": 2**80}, {"token": -1},
    {"note": "n" * 2001}, {"note": 3}, {"latency_ms": "fast"}, {"shown_at": 1.5}, {"supersedes": "x"},
    {"user_id": 1}, {"outcome": "skip"},
]  # fmt: skip


def test_a_damaged_answer_changes_nothing_and_stops_nothing(
    client: TestClient, seeded: Seeded, headers: Headers
) -> None:
    one, two = claim(client, seeded, headers)[:2]
    *bad, good = send(client, seeded, headers, *(answer_to(one, **damage) for damage in DAMAGES), answer_to(two))
    for damage, result in zip(DAMAGES, bad, strict=True):
        assert not result["ok"], damage
        assert (result["error"]["reason"], result["retry"]) == ("invalid", False), damage
    assert good["ok"]
    assert len(seeded.answers()) == 1


def test_an_answer_can_be_replaced_and_taken_back(client: TestClient, seeded: Seeded, headers: Headers) -> None:
    query = claim(client, seeded, headers)[0]
    first = answer_to(query)
    send(client, seeded, headers, first)
    second = answer_to(query, supersedes=first["answer_id"], **{"class": "5"})
    [result] = send(client, seeded, headers, second)
    assert result["status"] == "saved"
    undo = {"undo_id": str(uuid.uuid4()), "answer_id": second["answer_id"]}
    once, again = (client.post(url(seeded, "/undo"), json=undo, headers=headers).json() for _ in range(2))
    assert (once["repeated"], again["repeated"]) == (False, True)
    assert once["query"]["query_id"] == query["query_id"]
    assert seeded.answers() == []


def test_nobody_answers_or_takes_back_for_somebody_else(client: TestClient, seeded: Seeded, headers: Headers) -> None:
    query = claim(client, seeded, headers)[0]
    eve = member(seeded, "eve", Role.annotator)
    [result] = send(client, seeded, eve, answer_to(query))
    assert not result["ok"]
    saved = answer_to(query)
    send(client, seeded, headers, saved)
    undo = {"undo_id": str(uuid.uuid4()), "answer_id": saved["answer_id"]}
    assert client.post(url(seeded, "/undo"), json=undo, headers=eve).status_code == 404
    assert len(seeded.answers()) == 1


def test_released_claims_go_to_others_at_once(client: TestClient, seeded: Seeded, headers: Headers) -> None:
    held = [query["query_id"] for query in claim(client, seeded, headers, 30)]
    grace = bearer(seeded, "grace")
    assert claim(client, seeded, grace) == []
    released = client.post(url(seeded, "/release"), json={"query_ids": held[:2]}, headers=headers).json()
    assert released == {"released": 2}
    assert {query["query_id"] for query in claim(client, seeded, grace)} == set(held[:2])


def test_bodies_that_cannot_be_used_are_refused(client: TestClient, seeded: Seeded, headers: Headers) -> None:
    typed = {**headers, "content-type": "application/json"}
    where = url(seeded, "/answers")
    for content, status in ((b'{"answers": ["' + b"x" * 2**18 + b'"]}', 413), (b"{", 400), (b"[]", 400), (b"{}", 422)):
        assert client.post(where, content=content, headers=typed).status_code == status
    many = json.dumps({"answers": [{}] * 101})
    assert client.post(where, content=many, headers=typed).status_code == 422
    assert client.post(where, content=b"{}", headers={**headers, "content-type": "text/plain"}).status_code == 415
    for count in (0, 101, "3", True, None):
        assert client.post(url(seeded, "/claims"), json={"count": count}, headers=headers).status_code == 422
    assert client.get(f"{ROOT}/projects/{2**70}/stats", headers=headers).status_code == 404


def test_an_image_is_the_one_that_was_packed(client: TestClient, seeded: Seeded, headers: Headers) -> None:
    query = claim(client, seeded, headers)[0]
    answer = client.get(query["image"], headers=headers)
    assert Image.open(io.BytesIO(answer.content)).size == (28, 28)
    assert answer.headers["cache-control"].startswith("private")
    assert answer.headers["vary"] == "Authorization"
    assert "sandbox" in answer.headers["content-security-policy"]
    known = {**headers, "if-none-match": answer.headers["etag"]}
    assert client.get(query["image"], headers=known).status_code == 304
    foreign = seed(seeded.database).rows("SELECT max(id) AS id FROM samples")[0]["id"]
    assert client.get(url(seeded, f"/images/{foreign}"), headers=headers).status_code == 404


# --- what came of it


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
    for wrong in ({"limit": 0}, {"limit": "x"}, {"after": -1}, {"limit": "1e3"}, {"after": "٣"}):
        assert client.get(url(seeded, "/labels"), params=wrong, headers=headers).status_code == 422


def test_exports_hold_every_label(
    client: TestClient, seeded: Seeded, headers: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "_ROWS_A_CHUNK", 2)
    label(client, seeded, headers, 5)
    lines = client.get(url(seeded, "/export"), params={"format": "jsonl"}, headers=headers)
    table = client.get(url(seeded, "/export"), headers=headers)
    assert "attachment" in table.headers["content-disposition"]
    rows = [json.loads(line) for line in lines.text.splitlines()]
    cells = list(csv.DictReader(io.StringIO(table.text)))
    assert len(rows) == len(cells) == 5
    assert [str(row["sample_id"]) for row in rows] == [row["sample_id"] for row in cells]
    assert {row["class_name"] for row in rows} == {"3"}
    assert client.get(url(seeded, "/export"), params={"format": "xlsx"}, headers=headers).status_code == 422


@pytest.mark.parametrize("hostile", ["=1+1", "+1", "-1", "@x", "\t=1", '=cmd|" /C calc"!A0', "\r=1"])
def test_a_formula_does_nothing_in_a_spreadsheet(database: Any, hostile: str) -> None:
    assert results.safe_cell(hostile) == f"'{hostile}"


def test_names_full_of_formulas_are_text_in_csv_and_whole_in_json(client: TestClient, database: Any) -> None:
    hostile = '=HYPERLINK("http://evil.example","x")'
    seeded = seed(database, classes=(hostile, "b"))
    headers = bearer(seeded)
    send(client, seeded, headers, answer_to(claim(client, seeded, headers)[0], **{"class": hostile}))
    table = client.get(url(seeded, "/export"), headers=headers).text
    assert [row["class_name"] for row in csv.DictReader(io.StringIO(table))] == [f"'{hostile}"]
    lines = client.get(url(seeded, "/export"), params={"format": "jsonl"}, headers=headers).text
    assert json.loads(lines)["class_name"] == hostile


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
