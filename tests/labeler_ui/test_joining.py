"""Invitations, logs and login providers: what a link, a typo and a provider's answer open."""

from __future__ import annotations

import logging
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.responses import Response
from starlette.testclient import TestClient

from db import accounts, invitations, sessions
from db.access import Actor
from db.engine import Database
from db.errors import PermissionDenied
from db.records import Role
from labeler_ui import store
from labeler_ui.accounts import cookies, first, oidc
from tests.labeler_ui.seed import Seeded
from tests.labeler_ui.team import PASSWORD, enter, log_in, make_client, pass_of

pytestmark = pytest.mark.filterwarnings("ignore::starlette.exceptions.StarletteDeprecationWarning")


@pytest.fixture
def client(team_client: TestClient) -> TestClient:
    return team_client


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


def test_a_new_password_asks_for_the_old_one_and_ends_the_other_sessions(client: TestClient, team: Seeded) -> None:
    def change(old: str, new: str = "another long sentence", again: str = "another long sentence") -> Response:
        return client.post("/password", data={"old": old, "password": new, "again": again})

    assert change(PASSWORD).status_code == 401  # nobody is logged in
    elsewhere = sessions.start(team.database, accounts.log_in(team.database, "bob", PASSWORD).user_id)
    before = enter(client)
    assert "logged in as bob" in client.get("/password").text
    assert change("wrong" * 4).status_code == 401
    assert change(PASSWORD, again="different" * 3).status_code == 422
    assert change(PASSWORD, "short", "short").status_code == 422
    foreign = {"origin": "https://evil.example"}
    assert client.post("/password", data={}, headers=foreign).status_code == 403
    assert change(PASSWORD).status_code == 303
    for ended in (before, elsewhere.key):
        assert not sessions.look_up(team.database, ended).live
    assert client.get("/progress").text == "a page"
    assert log_in(client, "bob").status_code == 401
    assert log_in(client, "bob", "another long sentence").status_code == 303


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
    return 1 / 0


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
