"""The HTTP API is what its document says: every real answer is held against it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient

from labeler_ui.api.v1 import OPERATIONS
from tests.labeler_ui.programs import BY_NAME, ROOT, Session
from tests.labeler_ui.seed import Seeded

pytestmark = pytest.mark.filterwarnings("ignore::starlette.exceptions.StarletteDeprecationWarning")


@pytest.fixture
def home(home: Path, sqlite_template: Path) -> Path:
    """A home whose tables are made already."""
    shutil.copy(sqlite_template, home / "borderline.db")
    return home


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
