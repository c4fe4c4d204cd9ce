"""The routes against the real store: who gets in, what comes back, and that repeats do no harm."""

from __future__ import annotations

import io
import json
import os
import uuid
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from db import projects, samples
from labeler_ui import tokens
from labeler_ui.api import guards, images
from tests.labeler_ui.conftest import token_for
from tests.labeler_ui.seed import Seeded, next_round, seed

pytestmark = pytest.mark.filterwarnings("ignore::starlette.exceptions.StarletteDeprecationWarning")


def claim(client: TestClient, seeded: Seeded, name: str = "ada", **body: int) -> list[dict]:
    answer = client.post(
        f"/api/projects/{seeded.project.id}/claims",
        json={"count": 5, "holding": 0, **body},
        headers=token_for(seeded, name),
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["queries"]


def entry(seeded: Seeded, query: dict, position: int = 3, **changes: object) -> dict:
    return {
        "kind": "answer",
        "id": str(uuid.uuid4()),
        "query_id": query["query_id"],
        "token": query["token"],
        "outcome": "class",
        "class_id": seeded.project.classes[position].id,
        "note": "",
        "shown_at": 1_790_000_000_000,
        "answered_at": 1_790_000_000_900,
        "latency_ms": 900,
        "prediction_shown": False,
        **changes,
    }


def send(client: TestClient, seeded: Seeded, *entries: object, name: str = "ada") -> list[dict]:
    answer = client.post(
        f"/api/projects/{seeded.project.id}/answers", json={"answers": list(entries)}, headers=token_for(seeded, name)
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def test_health_needs_no_token_and_tells_nothing(client: TestClient) -> None:
    answer = client.get("/api/health")
    assert answer.json() == {"name": "borderline", "ok": True}
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_claims_give_images_and_the_state_of_the_round(client: TestClient, seeded: Seeded) -> None:
    answer = client.post(
        f"/api/projects/{seeded.project.id}/claims", json={"count": 20, "holding": 0}, headers=token_for(seeded)
    ).json()
    assert len(answer["queries"]) == 15  # half of what is open: a second person finds some too
    told = {"query_id", "sample_id", "token", "expires_at", "reserve", "predicted", "comment"}
    assert set(answer["queries"][0]) == told
    assert answer["queries"][0]["predicted"] is None
    assert answer["progress"] == {"round": 1, "answered": 0, "wanted": 10}


def test_a_reload_gets_the_same_images_again(client: TestClient, seeded: Seeded) -> None:
    first = [query["query_id"] for query in claim(client, seeded)]
    again = [query["query_id"] for query in claim(client, seeded)]
    other = [query["query_id"] for query in claim(client, seeded, "grace")]
    assert first == again
    assert not set(first) & set(other)


def test_an_answer_is_saved_with_all_that_was_measured(client: TestClient, seeded: Seeded) -> None:
    query = claim(client, seeded)[0]
    sent = entry(seeded, query)
    [result] = send(client, seeded, sent)
    assert result["ok"]
    assert result["status"] == "saved"
    [row] = seeded.answers()
    assert (row["answer_id"], row["class_name"], row["user_name"]) == (sent["id"], "3", "ada")
    assert (row["latency_ms"], row["shown_at"], row["mode"]) == (900, 1_790_000_000_000, "single")
    assert seeded.labels() == 1


def test_the_same_answer_twice_is_one_answer(client: TestClient, seeded: Seeded) -> None:
    sent = entry(seeded, claim(client, seeded)[0])
    first, second, third = send(client, seeded, sent, sent)[0], *send(client, seeded, sent, sent)
    assert (first["repeated"], second["repeated"], third["repeated"]) == (False, True, True)
    assert len(seeded.answers()) == 1


def test_another_answer_under_the_same_id_is_refused_and_the_rest_is_saved(client: TestClient, seeded: Seeded) -> None:
    one, two = claim(client, seeded)[:2]
    sent = entry(seeded, one)
    send(client, seeded, sent)
    changed, fine = send(client, seeded, {**sent, "class_id": seeded.project.classes[5].id}, entry(seeded, two))
    assert (changed["ok"], changed["retry"], changed["reason"]) == (False, False, "Conflict")
    assert fine["ok"]
    assert [row["class_name"] for row in seeded.answers()] == ["3", "3"]


@pytest.mark.parametrize(
    "damage",
    [
        {"class_id": "3"},
        {"class_id": None},
        {"class_id": True},
        {"outcome": "maybe"},
        {"outcome": ["class"]},
        {"id": ""},
        {"id": "x" * 65},
        {"note": "n" * 2001},
        {"query_id": 1e400},
        {"query_id": 2**80},
        {"latency_ms": "fast"},
    ],
)
def test_a_damaged_answer_changes_nothing_and_stops_nothing(client: TestClient, seeded: Seeded, damage: dict) -> None:
    one, two = claim(client, seeded)[:2]
    body = json.dumps({"answers": [entry(seeded, one, **damage), entry(seeded, two)]})
    headers = {**token_for(seeded), "content-type": "application/json"}
    answer = client.post(f"/api/projects/{seeded.project.id}/answers", content=body, headers=headers)
    bad, good = answer.json()["results"]
    assert (bad["ok"], bad["retry"]) == (False, False)
    assert good["ok"]
    assert len(seeded.answers()) == 1


def test_undo_gives_the_image_back_and_can_be_repeated(client: TestClient, seeded: Seeded) -> None:
    query = claim(client, seeded)[0]
    sent = entry(seeded, query)
    send(client, seeded, sent)
    undo = {"kind": "undo", "id": str(uuid.uuid4()), "answer_id": sent["id"]}
    url = f"/api/projects/{seeded.project.id}/undo"
    first, again = (client.post(url, json=undo, headers=token_for(seeded)).json()["result"] for _ in range(2))
    assert first["query"]["query_id"] == query["query_id"]
    assert again["repeated"]
    assert seeded.answers() == []
    assert seeded.labels() == 0
    [result] = send(client, seeded, entry(seeded, first["query"], 7))
    assert result["ok"]
    assert [row["class_name"] for row in seeded.answers()] == ["7"]
    assert [row["kind"] for row in seeded.events()] == ["answer", "undo", "answer"]


def test_nobody_undoes_the_answer_of_another(client: TestClient, seeded: Seeded) -> None:
    sent = entry(seeded, claim(client, seeded)[0])
    send(client, seeded, sent)
    undo = {"kind": "undo", "id": str(uuid.uuid4()), "answer_id": sent["id"]}
    answer = client.post(f"/api/projects/{seeded.project.id}/undo", json=undo, headers=token_for(seeded, "mallory"))
    assert answer.status_code in {403, 404}
    assert len(seeded.answers()) == 1


def test_the_image_is_the_one_that_was_packed(client: TestClient, seeded: Seeded) -> None:
    query = claim(client, seeded)[0]
    url = f"/api/projects/{seeded.project.id}/images/{query['sample_id']}"
    answer = client.get(url, headers=token_for(seeded))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"].startswith("private")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert Image.open(io.BytesIO(answer.content)).size == (28, 28)
    known = {**token_for(seeded), "if-none-match": answer.headers["etag"]}
    assert client.get(url, headers=known).status_code == 304


ROUTES = [
    *(("post", "claims"), ("post", "answers"), ("post", "undo"), ("get", "images/1"), ("get", "recent")),
    *(("get", "queries/1/why"), ("get", "queries/1/copy"), ("get", "queries/1/difference")),
    ("get", "queries/1/image"),
]


def call(client: TestClient, method: str, url: str, headers: dict[str, str], **more: object):
    return client.post(url, json={}, headers=headers, **more) if method == "post" else client.get(url, headers=headers)


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_every_route_needs_a_token_that_is_signed_and_young(
    client: TestClient, seeded: Seeded, method: str, route: str
) -> None:
    url = f"/api/projects/{seeded.project.id}/{route}"
    body, _, signature = token_for(seeded)[tokens.HEADER].partition(".")
    forged = f"{body}.{signature[:-2]}{'AA' if signature[-2:] != 'AA' else 'BB'}"
    stranger = tokens.mint(b"x" * 32, user_id=1, name="ada", project_id=seeded.project.id, session_id=None)
    old = token_for(seeded, now=1_000_000_000)[tokens.HEADER]
    for token in (None, "", "nonsense", forged, stranger, old):
        headers = {} if token is None else {tokens.HEADER: token}
        answer = call(client, method, url, headers)
        assert answer.status_code == 401, token
        assert answer.json()["error"]["reason"] == "token"


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_a_token_opens_its_own_project_only(client: TestClient, seeded: Seeded, method: str, route: str) -> None:
    other = seed(seeded.database)
    answer = call(client, method, f"/api/projects/{other.project.id}/{route}", token_for(seeded))
    assert answer.status_code == 403


def test_the_image_of_another_project_is_not_found_under_the_own_one(client: TestClient, seeded: Seeded) -> None:
    other = seed(seeded.database)
    foreign = claim(client, other)[0]["sample_id"]
    answer = client.get(f"/api/projects/{seeded.project.id}/images/{foreign}", headers=token_for(seeded))
    assert answer.status_code == 404
    [result] = send(client, seeded, entry(seeded, claim(client, other, "grace")[0]))
    assert not result["ok"]
    assert seeded.answers() == other.answers() == []


def test_a_token_of_a_person_who_is_someone_else_now_is_refused(client: TestClient, seeded: Seeded) -> None:
    headers = token_for(seeded, user_id=999)
    assert client.post(f"/api/projects/{seeded.project.id}/claims", json={}, headers=headers).status_code == 401


def test_a_valid_token_is_renewed(client: TestClient, seeded: Seeded) -> None:
    answer = client.post("/api/token", json={}, headers=token_for(seeded)).json()
    assert answer["expires_in"] > 0
    fresh = {tokens.HEADER: answer["token"]}
    assert client.post(f"/api/projects/{seeded.project.id}/claims", json={}, headers=fresh).status_code == 200
    assert client.post("/api/token", json={}, headers={}).status_code == 401


def test_other_sites_and_other_host_names_are_refused(client: TestClient, seeded: Seeded) -> None:
    url = f"/api/projects/{seeded.project.id}/claims"
    for header in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        answer = client.post(url, json={}, headers={**token_for(seeded), **header})
        assert answer.status_code == 403, header
        assert answer.json()["error"]["reason"] == "origin"
    same = {**token_for(seeded), "origin": "http://testserver"}
    assert client.post(url, json={}, headers=same).status_code == 200
    rebound = client.post(url, json={}, headers={**token_for(seeded), "host": "evil.example:8501"})
    assert rebound.json()["error"]["reason"] == "host"


def test_large_and_strange_bodies_are_refused(client: TestClient, seeded: Seeded) -> None:
    url = f"/api/projects/{seeded.project.id}/answers"
    headers = {**token_for(seeded), "content-type": "application/json"}
    large = b'{"answers": ["' + b"x" * guards.BODY_LIMIT + b'"]}'
    for content, status in ((large, 413), (b"{", 400), (b"[]", 400), (b"[" * 100_000, 400), (b'{"answers": 3}', 422)):
        assert client.post(url, content=content, headers=headers).status_code == status
    many = json.dumps({"answers": [{}] * 101})
    assert client.post(url, content=many, headers=headers).status_code == 422
    plain = {**token_for(seeded), "content-type": "text/plain"}
    assert client.post(url, content=b"{}", headers=plain).status_code == 415
    assert seeded.answers() == []


def test_a_path_never_leaves_the_home(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.png"
    outside.write_bytes(b"x")
    (home / "link").symlink_to(outside)
    for path in ("../secret.png", str(outside), "link", "projects/../../x", "a/../../../etc/passwd"):
        with pytest.raises(guards.Refusal) as refused:
            images.contained(home, path)
        assert refused.value.status == 404
    assert images.contained(home, "projects/1/shards/a.pack") == home / "projects/1/shards/a.pack"


def test_a_damaged_pack_is_said_without_a_path(client: TestClient, seeded: Seeded) -> None:
    query = claim(client, seeded)[0]
    url = f"/api/projects/{seeded.project.id}/images/{query['sample_id']}"
    actor = seeded.actor
    place = samples.display_of(seeded.database, actor, seeded.project.id, query["sample_id"])
    pack = seeded.database.home / place.path
    os.truncate(pack, place.offset + place.length - 1)
    cut = client.get(url, headers=token_for(seeded))
    pack.unlink()
    gone = client.get(url, headers=token_for(seeded))
    assert (cut.status_code, gone.status_code) == (500, 404)
    for answer in (cut, gone):
        assert str(seeded.database.home) not in answer.text
        assert "Traceback" not in answer.text


def test_a_failure_inside_is_an_apology_without_details(
    client: TestClient, seeded: Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = token_for(seeded)
    monkeypatch.setattr(seeded.database, "read", lambda work: 1 / 0)
    monkeypatch.setattr(seeded.database, "write", lambda work, **more: 1 / 0)
    answer = client.post(f"/api/projects/{seeded.project.id}/claims", json={}, headers=headers)
    assert answer.status_code == 500
    assert "ZeroDivision" not in answer.text
    assert "/" not in answer.json()["error"]["message"]


def test_a_deleted_project_says_so(client: TestClient, seeded: Seeded) -> None:
    headers = token_for(seeded)
    projects.delete_project(seeded.database, seeded.actor, seeded.project.id)
    answer = client.post(f"/api/projects/{seeded.project.id}/claims", json={}, headers=headers)
    assert answer.status_code == 404
    assert answer.json()["error"]["reason"] == "not_found"


def test_the_next_round_arrives_at_the_next_claim(client: TestClient, database) -> None:
    seeded = seed(database, k=2, reserve=0)
    queries = claim(client, seeded)
    assert len(queries) == 2
    results = send(client, seeded, *(entry(seeded, query) for query in queries))
    assert results[-1]["round_complete"]
    assert claim(client, seeded) == []
    next_round(seeded, k=3)
    assert len(claim(client, seeded)) == 3


def test_what_was_shown_and_how_it_was_answered_are_kept(client: TestClient, seeded: Seeded) -> None:
    one, two = claim(client, seeded)[:2]
    seen = {"why": True, "neighbors": False}
    results = send(
        client, seeded, entry(seeded, one, shown=seen, prediction_shown=True), entry(seeded, two, mode="grid")
    )
    assert all(result["ok"] for result in results)
    first, second = seeded.answers()
    assert (json.loads(first["shown"]), bool(first["prediction_shown"]), first["mode"]) == (seen, True, "single")
    assert (json.loads(second["shown"] or "null"), second["mode"]) == (None, "grid")


@pytest.mark.parametrize(
    "damage",
    [
        {"mode": "table"},
        {"mode": ["grid"]},
        {"mode": None},
        {"shown": [True]},
        {"shown": {"why": 1}},
        {"shown": {"why": {"deep": True}}},
        {"shown": {"<b>": True}},
        {"shown": {"w" * 41: True}},
        {"shown": {f"n{'x' * number}": True for number in range(9)}},
        {"supersedes": 4},
        {"supersedes": ""},
        {"supersedes": "x" * 65},
        {"supersedes": "00000000-0000-4000-8000-000000000000"},
    ],
)
def test_damaged_details_are_refused_and_stop_nothing(client: TestClient, seeded: Seeded, damage: dict) -> None:
    one, two = claim(client, seeded)[:2]
    bad, good = send(client, seeded, entry(seeded, one, **damage), entry(seeded, two))
    assert (bad["ok"], bad["retry"], good["ok"]) == (False, False, True)
    assert len(seeded.answers()) == 1


def test_an_edit_replaces_the_answer_and_can_be_repeated(client: TestClient, seeded: Seeded) -> None:
    query = claim(client, seeded)[0]
    first = entry(seeded, query)
    edit = entry(seeded, query, 5, supersedes=first["id"])
    results = send(client, seeded, first, edit, edit)
    assert [(result["ok"], result.get("repeated")) for result in results] == [
        (True, False),
        (True, False),
        (True, True),
    ]
    [row] = seeded.answers()
    assert row["class_name"] == "5"
    assert [event["target_id"] for event in seeded.events()] == [None, first["id"]]
    again = entry(seeded, query, 7, supersedes=edit["id"])  # the first claim's token still names the query
    assert send(client, seeded, again)[0]["ok"]
    assert [row["class_name"] for row in seeded.answers()] == ["7"]
    stale = send(client, seeded, entry(seeded, query, 1, supersedes=first["id"]))[0]
    assert (stale["ok"], stale["retry"], stale["reason"]) == (False, False, "NotFound")
    assert [row["class_name"] for row in seeded.answers()] == ["7"]


def recent(client: TestClient, seeded: Seeded, name: str = "ada") -> list[dict]:
    answer = client.get(f"/api/projects/{seeded.project.id}/recent", headers=token_for(seeded, name))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["answers"]


def test_recent_answers_are_the_callers_own_newest_first_and_editable(client: TestClient, seeded: Seeded) -> None:
    queries = claim(client, seeded)
    entries = [entry(seeded, query, place) for place, query in enumerate(queries[:3])]
    send(client, seeded, *entries)
    found = recent(client, seeded)
    assert [one["answer_id"] for one in found] == [one["id"] for one in reversed(entries)]
    assert set(found[0]) == {"answer_id", "query_id", "sample_id", "token", "outcome", "class_id"}
    assert recent(client, seeded, "grace") == []
    oldest = found[-1]
    edit = entry(seeded, oldest, 9, supersedes=oldest["answer_id"])
    assert send(client, seeded, edit)[0]["ok"]
    assert recent(client, seeded)[0]["answer_id"] == edit["id"]
    again = entry(seeded, recent(client, seeded)[0], 8, supersedes=edit["id"])  # an edit has a token of its own
    assert send(client, seeded, again)[0]["ok"]
    assert len(recent(client, seeded)) == 3
