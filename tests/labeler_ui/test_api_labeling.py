"""Labeling by program: answers are saved once, claims and images are those of the page."""

from __future__ import annotations

import io
import json
import uuid

import pytest
from PIL import Image
from starlette.testclient import TestClient

from db.records import Role
from tests.labeler_ui.programs import ROOT, Headers, answer_to, bearer, claim, member, send, url
from tests.labeler_ui.seed import Seeded, seed

pytestmark = pytest.mark.filterwarnings("ignore::starlette.exceptions.StarletteDeprecationWarning")


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
