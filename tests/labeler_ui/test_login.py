"""The login's page and the gate before everything: what opens to whom, and that nothing opens by accident."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from db import access, accounts, sessions
from db.errors import PermissionDenied
from labeler_ui import store
from labeler_ui.accounts import cookies, places
from tests.labeler_ui.seed import Seeded, seed
from tests.labeler_ui.team import HTML, PASSWORD, count, enter, image, log_in, make_client, pass_of

pytestmark = pytest.mark.filterwarnings("ignore::starlette.exceptions.StarletteDeprecationWarning")


@pytest.fixture
def client(team_client: TestClient) -> TestClient:
    return team_client


# ---- the way in


def test_nobody_passes_without_a_session(client: TestClient) -> None:
    answer = client.get("/progress?project=x", headers=HTML)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Fprogress%3Fproject%3Dx"
    for path in ("/media/x.png", "/_stcore/upload_file/1/2", "/_stcore/metrics"):
        assert client.get(path, headers=HTML).status_code == 401
        assert client.put(path).status_code == 401
    assert client.get("/api/health").status_code == 200
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/_stcore/stream"):
        pass


def test_with_a_session_everything_opens(client: TestClient) -> None:
    sent = {"cookie": f"{cookies.NAME}={enter(client)}"}  # the test's client keeps cookies for http only
    assert client.get("/progress").text == "a page"
    assert client.get("/media/x.png").text == "a page"  # the address alone did not open it
    with client.websocket_connect("/_stcore/stream", headers=sent) as socket:
        assert socket.receive_text() == "hello"
    assert client.get("/login?next=/progress").headers["location"] == "/progress"


def test_a_page_whose_session_is_over_may_still_be_told_so(client: TestClient, team: Seeded) -> None:
    key = enter(client)
    sessions.end(team.database, key)
    sent = {"cookie": f"{cookies.NAME}={key}"}
    with client.websocket_connect("/_stcore/stream", headers=sent) as socket:  # the page in it checks and says it
        assert socket.receive_text() == "hello"
    assert client.get("/media/x.png").status_code == 401


def test_the_cookies_flags(client: TestClient, team: Seeded) -> None:
    given = log_in(client).headers["set-cookie"].lower()
    assert "httponly" in given
    assert "samesite=lax" in given
    assert "path=/" in given
    assert "domain" not in given
    assert "secure" not in given  # http on this very machine, the only exception
    with make_client("https://labels.example.org") as safe:
        assert "; secure" in log_in(safe).headers["set-cookie"].lower()


def test_no_password_over_a_plain_line(team: Seeded) -> None:
    with make_client("http://labels.example.org") as plain:
        for answer in (plain.get("/login"), log_in(plain)):
            assert answer.status_code == 403
            assert "without encryption" in answer.text
            assert "set-cookie" not in answer.headers
    assert count(team.database, "SELECT count(*) FROM sessions") == 0


def test_session_fixation(client: TestClient, team: Seeded) -> None:
    """A cookie that somebody else put there does not become a session, and a session there was is not kept."""
    client.cookies.set(cookies.NAME, "chosen-by-the-attacker", domain="localhost.local", path="/")
    answer = client.post("/login", data={"name": "bob", "password": PASSWORD},
                         headers={"cookie": f"{cookies.NAME}=chosen-by-the-attacker"})  # fmt: skip
    given = re.search(rf"{cookies.NAME}=([^;]+)", answer.headers["set-cookie"])
    assert given is not None
    assert given[1] != "chosen-by-the-attacker"
    assert sessions.look_up(team.database, "chosen-by-the-attacker") is None
    with make_client() as other:
        before = enter(other, "eve")
        after = enter(other, "bob")
    assert before != after
    assert not sessions.look_up(team.database, before).live


def test_a_wrong_password_and_an_unknown_name_look_the_same(client: TestClient) -> None:
    wrong, unknown = log_in(client, "bob", "wrong" * 4), log_in(client, "nobody", "wrong" * 4)
    assert wrong.status_code == unknown.status_code == 401
    assert accounts.WRONG in wrong.text
    assert wrong.text.replace('value="bob"', "") == unknown.text.replace('value="nobody"', "")


def test_brute_force_is_slowed_down(client: TestClient, team: Seeded) -> None:
    log_in(client, "bob", "wrong" * 4)
    team.database.write(lambda session: session.execute(text("UPDATE throttles SET failures = 12")))
    log_in(client, "bob", "wrong" * 4)
    answer = log_in(client, "bob")
    assert answer.status_code == 429
    assert 60 < int(answer.headers["retry-after"]) <= 128
    assert "Too many tries" in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("header", [
    {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": "http://localhost.evil.example"},
    {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
])  # fmt: skip
def test_a_form_from_another_site_is_refused(client: TestClient, team: Seeded, header: dict[str, str]) -> None:
    """Login CSRF: nobody is logged in as somebody else behind their back, nobody is logged out."""
    for path in ("/login", "/join", "/logout"):
        answer = client.post(path, data={"name": "bob", "password": PASSWORD}, headers=header)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    assert client.get("/logout", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert count(team.database, "SELECT count(*) FROM sessions") == 0
    good = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    assert client.post("/login", data={"name": "bob", "password": PASSWORD}, headers=good).status_code == 303


OUTSIDE = [
    "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
    "/\n/evil.example", "javascript:alert(1)", "evil.example", " //evil.example", "///evil.example",
    "http:evil.example", "/%0d%0aSet-Cookie:x=1\r\nSet-Cookie:x=1", "/" + "a" * 600, "/\u2028/evil.example",
]  # fmt: skip


@pytest.mark.parametrize("wanted", OUTSIDE)
def test_a_login_leads_to_no_other_site(client: TestClient, wanted: str) -> None:
    answer = log_in(client, next=wanted)
    assert answer.headers["location"] == "/"
    assert client.get("/login", params={"next": wanted}).headers["location"] == "/"  # logged in already
    assert places.safe_path("/progress?project=a b".replace(" ", "%20")) == "/progress?project=a%20b"


def test_a_login_leads_back(client: TestClient) -> None:
    assert log_in(client, next="/progress?project=x").headers["location"] == "/progress?project=x"


@pytest.mark.parametrize("body", [b"name=" + b"x" * 20_000, b"&".join(b"a=1" for _ in range(50)), b"\xff\xfe"])
def test_odd_forms_are_refused(client: TestClient, body: bytes) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/login", content=body, headers=kind).status_code in {400, 401, 413}
    assert client.post("/login", json={"name": "bob", "password": PASSWORD}).status_code == 415


def test_what_was_typed_comes_back_as_text(client: TestClient) -> None:
    hostile = '"><script>alert(1)</script>'
    answer = log_in(client, hostile, "wrong" * 4, next=f"/{hostile}")
    assert "<script" not in answer.text
    assert "script" not in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"


# ---- the way out


def test_logout_ends_pages_and_images_at_once(client: TestClient, team: Seeded) -> None:
    key = enter(client)
    headers = pass_of(team, key)
    assert image(client, team, headers) == 200
    answer = client.get("/logout")
    assert answer.headers["location"] == "/login"
    assert '"cache"' in answer.headers["clear-site-data"]
    assert image(client, team, headers) == 401
    assert client.post("/api/token", json={}, headers=headers).status_code == 401
    client.cookies.clear()
    stolen = {**HTML, "cookie": f"{cookies.NAME}={key}"}
    assert client.get("/", headers=stolen).headers["location"] == "/login"  # reuse after logout


def test_a_disabled_user_is_out_at_once(client: TestClient, team: Seeded) -> None:
    key = enter(client)
    headers = pass_of(team, key)
    ada = accounts.log_in(team.database, "ada", PASSWORD)
    bob = accounts.log_in(team.database, "bob", PASSWORD)
    access.set_active(team.database, ada, bob.user_id, False)
    assert image(client, team, headers) == 401
    assert client.get("/", headers=HTML).headers["location"] == "/login"
    assert log_in(client).status_code == 401


def test_whoever_loses_the_project_loses_its_images(client: TestClient, team: Seeded) -> None:
    headers = pass_of(team, enter(client))
    assert image(client, team, headers) == 200
    team.database.write(lambda session: session.execute(text("UPDATE memberships SET state = 'excluded'")))
    assert image(client, team, headers) == 403


def test_a_token_opens_its_own_project_session_and_user_only(client: TestClient, team: Seeded) -> None:
    key, other = enter(client), seed(team.database)
    assert image(client, team, pass_of(team, key)) == 200
    assert image(client, team, pass_of(team, key, project_id=other.project.id)) == 403
    assert image(client, team, pass_of(team, key, session_id=None)) == 401
    assert image(client, team, pass_of(team, key, session_id=10_000)) == 401
    ada = accounts.log_in(team.database, "ada", PASSWORD)
    assert image(client, team, pass_of(team, key, user_id=ada.user_id, name="ada")) == 401
    assert image(client, team, {}) == 401
    with make_client() as boss:  # who may do all: the page of one project still does not act on another
        elsewhere = pass_of(team, enter(boss, "ada"), project_id=other.project.id)
        address = f"/api/projects/{team.project.id}/claims"
        assert boss.post(address, json={"count": 1, "holding": 0}, headers=elsewhere).status_code == 403
    with make_client() as second:
        assert image(second, team, pass_of(team, enter(second, "eve"))) == 403  # logged in, but not of the project


def test_a_name_alone_opens_nothing_where_there_are_accounts(team: Seeded) -> None:
    with pytest.raises(PermissionDenied, match="log in"):
        store.actor(team.database, "ada")
