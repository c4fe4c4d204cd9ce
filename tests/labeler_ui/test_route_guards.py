"""Who gets in: tokens, projects, other sites, large bodies, paths; and failures that tell nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from db import samples
from labeler_ui import tokens
from labeler_ui.api import guards, images
from tests.labeler_ui.conftest import token_for
from tests.labeler_ui.route_calls import claim, entry, send
from tests.labeler_ui.seed import Seeded, seed

pytestmark = pytest.mark.filterwarnings("ignore::starlette.exceptions.StarletteDeprecationWarning")


ROUTES = [
    *(("post", "claims"), ("post", "answers"), ("post", "undo"), ("get", "images/1"), ("get", "recent")),
    *(("get", "queries/1/why"), ("get", "queries/1/copy"), ("get", "queries/1/difference")),
    ("get", "queries/1/image"),
    ("get", "synthetic/1"),
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
