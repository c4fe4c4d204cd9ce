"""The login's pages and the gate before everything: what opens to whom, and that nothing opens by accident."""

from __future__ import annotations

import logging
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from db import access, accounts, invitations, sessions
from db.access import Actor
from db.engine import Database
from db.errors import PermissionDenied
from db.records import Role
from labeler_ui import api, store, tokens
from labeler_ui.accounts import cookies, first, oidc, places, routes
from labeler_ui.accounts.gate import Gate
from labeler_ui.hosts import HostGuard
from tests.labeler_ui.seed import Seeded, seed

pytestmark = pytest.mark.filterwarnings("ignore::starlette.exceptions.StarletteDeprecationWarning")

PASSWORD = "canary-password-4711"
HOSTS = ["localhost", "labels.example.org"]


@pytest.fixture
def team(home: Path, monkeypatch: pytest.MonkeyPatch, quick_passwords: None) -> Seeded:
    """A project, and its accounts: ada administrates, bob is an annotator of it, eve is nobody there."""
    seeded = seed(store.database())
    monkeypatch.setenv("BORDERLINE_ACCOUNTS", "accounts")
    made = invitations.first_administrator(seeded.database)
    assert made is not None
    ada = invitations.accept(seeded.database, made.token, "ada", PASSWORD)
    for name, place in (("bob", seeded.project.id), ("eve", None)):
        role = Role.annotator if place else None
        link = invitations.invite(seeded.database, ada, role or Role.viewer, project_id=place)
        person = invitations.accept(seeded.database, link.token, name, PASSWORD)
        if role is None:
            access.set_role(seeded.database, ada, person.user_id, None)
    return seeded


async def _page(request: Request) -> Response:
    return PlainTextResponse("a page")


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


def make_client(base: str = "http://localhost", mode: str = "accounts", **more: object) -> TestClient:
    """Our routes and our middleware as the server puts them together, with stand-ins for Streamlit's own routes."""
    service = api.Service(open_database=store.database, secret=store.secret(), team=True)
    streamlits = [Route(path, _page) for path in ("/", "/progress", "/media/x.png", "/_stcore/upload_file/1/2")]
    middleware = [
        Middleware(HostGuard, hosts=HOSTS),
        Middleware(Gate, open_database=store.database, mode=mode),
    ]
    every = [
        *api.routes(service),
        *routes.routes(store.database),
        *streamlits,
        WebSocketRoute("/_stcore/stream", _socket),
    ]
    app = Starlette(routes=every, middleware=middleware)
    return TestClient(app, base_url=base, follow_redirects=False, **more)  # type: ignore[arg-type]


@pytest.fixture
def client(team: Seeded) -> Iterator[TestClient]:
    with make_client() as made:
        yield made


HTML = {"accept": "text/html"}


def log_in(client: TestClient, name: str = "bob", password: str = PASSWORD, **fields: str) -> Response:
    return client.post("/login", data={"name": name, "password": password, **fields})


def enter(client: TestClient, name: str = "bob") -> str:
    answer = log_in(client, name)
    assert answer.status_code == 303, answer.text
    return client.cookies[cookies.NAME]


def pass_of(team: Seeded, key: str, **changes: object) -> dict[str, str]:
    """The headers of a component that belongs to this session."""
    found = sessions.look_up(team.database, key)
    assert found is not None
    values = {
        "user_id": found.actor.user_id, "name": found.actor.name, "project_id": team.project.id,
        "session_id": found.session_id, **changes,
    }  # fmt: skip
    return {tokens.HEADER: tokens.mint(store.secret(), **values)}


def image(client: TestClient, team: Seeded, headers: dict[str, str]) -> int:
    sample = team.rows("SELECT min(id) AS id FROM samples WHERE project_id = :project")[0]["id"]
    return client.get(f"/api/projects/{team.project.id}/images/{sample}", headers=headers).status_code


def count(database: Database, statement: str) -> int:
    return database.read(lambda session: session.execute(text(statement)).scalar_one())


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
    with make_client() as second:
        assert image(second, team, pass_of(team, enter(second, "eve"))) == 403  # logged in, but not of the project


def test_a_name_alone_opens_nothing_where_there_are_accounts(team: Seeded) -> None:
    with pytest.raises(PermissionDenied, match="log in"):
        store.actor(team.database, "ada")


# ---- invitations


def join(client: TestClient, token: str, **fields: str) -> Response:
    given = {"token": token, "name": "carol", "password": PASSWORD, "again": PASSWORD, **fields}
    return client.post("/join", data=given)


def test_an_invitation_makes_an_account_and_logs_in(client: TestClient, team: Seeded) -> None:
    ada = accounts.log_in(team.database, "ada", PASSWORD)
    made = invitations.invite(team.database, ada, Role.annotator, project_id=team.project.id)
    shown = client.get(f"/join?token={made.token}")
    assert f"annotator of {team.project.name}" in shown.text
    assert join(client, made.token, again="different" * 3).status_code == 422
    assert join(client, made.token, password="short", again="short").status_code == 422
    assert join(client, made.token, name="ADA").status_code == 422
    assert join(client, made.token).status_code == 303
    assert client.get("/progress").text == "a page"
    for answer in (client.get(f"/join?token={made.token}"), join(client, made.token), join(client, "nonsense")):
        assert answer.status_code == 410


def test_the_first_administrators_link_is_in_a_private_file_once(
    home: Path, quick_passwords: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BORDERLINE_ACCOUNTS", "accounts")
    file = first.offer(store.database(), "http://localhost:8501")
    assert file is not None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = re.match(r"http://localhost:8501/join\?token=(\S{43,})\n", file.read_text())
    assert found is not None
    with make_client() as client:
        assert "first administrator" in client.get(f"/join?token={found[1]}").text
        assert join(client, found[1], name="ada").status_code == 303
    assert not file.exists()
    assert first.offer(store.database(), "http://localhost:8501") is None


def test_no_password_and_no_secret_gets_into_a_log(
    client: TestClient, team: Seeded, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = accounts.log_in(team.database, "ada", PASSWORD)
    made = invitations.invite(team.database, ada, Role.viewer)
    with caplog.at_level(logging.DEBUG):
        key = enter(client)
        log_in(client, PASSWORD, "canary-of-a-typo")  # people type their password into the wrong field
        join(client, made.token, again="other" * 4)
        monkeypatch.setattr(accounts, "log_in", _broken)
        broken = log_in(client, "bob", "canary-of-a-failure")
    assert broken.status_code == 500
    assert "the login's page /login failed: ZeroDivisionError" in caplog.text
    for secret in (PASSWORD, made.token, key, "canary-of-a-typo", "canary-of-a-failure"):
        assert secret not in caplog.text
    for detail in ("ZeroDivisionError", "Traceback", str(Path(__file__).parent), "canary"):
        assert detail not in broken.text


def _broken(*_: object) -> Actor:
    return 1 / 0  # type: ignore[return-value]


def test_the_api_says_nothing_about_what_broke(
    client: TestClient, team: Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = pass_of(team, enter(client))
    monkeypatch.setattr(sessions, "caller", _broken)
    answer = client.post("/api/token", json={}, headers=headers)
    assert answer.status_code == 500
    assert answer.json() == {
        "error": {"reason": "failed", "message": "Something went wrong here. Nothing was lost; try again."}
    }


# ---- a login provider's cookie


def test_a_providers_cookie_in_parts_is_one_key() -> None:
    key: Callable[[dict[str, str]], str | None] = lambda found: cookies.key_in(found, "oidc")  # noqa: E731
    assert key({}) is None
    assert key({"_streamlit_user_tokens": "x"}) is None
    one = key({"_streamlit_user": "a", "_streamlit_user_1": "b", "_streamlit_user_tokens": "x", "other": "y"})
    assert one == key({"_streamlit_user_1": "b", "_streamlit_user": "a"})
    assert one != key({"_streamlit_user": "a"})
    assert one != key({"_streamlit_user": "a", "_streamlit_user_1": "c"})


def test_with_a_provider_files_still_need_a_session(team: Seeded) -> None:
    ada = accounts.log_in(team.database, "ada", PASSWORD)
    found, sent = {"_streamlit_user": "signed"}, {"cookie": "_streamlit_user=signed"}
    with make_client(mode="oidc") as client:
        assert client.get("/").text == "a page"
        assert client.get("/media/x.png").status_code == 401
        assert client.get("/media/x.png", headers=sent).status_code == 401
        key = cookies.key_in(found, "oidc")
        assert key is not None
        sessions.start(team.database, ada.user_id, key)
        assert client.get("/media/x.png", headers=sent).text == "a page"


CLAIMS = {"iss": "https://id.example", "sub": "s1", "name": "Ada\nLovelace", "iat": 1_000_000}


def test_a_providers_answer_is_proof_for_ten_minutes_only(database: Database) -> None:
    """Streamlit's cookie of it would do for thirty days."""
    with pytest.raises(PermissionDenied, match="Log in again"):
        oidc.log_in(database, CLAIMS, "key", now=1_000_000 + 601)
    begun = oidc.log_in(database, CLAIMS, "key", now=1_000_000 + 60)
    assert begun.live
    assert begun.actor.name == "Ada Lovelace"
    assert oidc.log_in(database, CLAIMS, "key", now=1_000_000 + 9_999).session_id == begun.session_id
    sessions.end(database, "key")
    assert not oidc.log_in(database, CLAIMS, "key", now=1_000_000 + 60).live  # ended stays ended


@pytest.mark.parametrize("wrong", [
    {"iss": ""}, {"sub": None}, {"sub": 7}, {"iss": "https://id.example s1"}, {"iat": None}, {"iat": "1000000"},
    {"iat": 1_000_000 + 10_000},
])  # fmt: skip
def test_an_answer_that_says_too_little_opens_nothing(database: Database, wrong: dict[str, object]) -> None:
    with pytest.raises(PermissionDenied):
        oidc.log_in(database, {**CLAIMS, **wrong}, "key", now=1_000_000)


@pytest.mark.parametrize(("claims", "email"), [
    ({"email": "a@example.org", "email_verified": True}, "a@example.org"),
    ({"email": "a@example.org", "email_verified": "true"}, "a@example.org"),
    ({"email": "a@example.org", "email_verified": False}, None),
    ({"email": "a@example.org"}, None),
    ({"email": ["a@example.org"], "email_verified": True}, None),
])  # fmt: skip
def test_only_a_verified_address_counts(claims: dict[str, object], email: str | None) -> None:
    assert oidc.identity_of({**CLAIMS, **claims}).email == email
