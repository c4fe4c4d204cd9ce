"""The secret and what it signs."""

from __future__ import annotations

import base64
import json
import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labeler_ui import store, tokens

SECRET = b"s" * 32


def test_a_token_says_who_and_where_until_it_expires() -> None:
    token = tokens.mint(SECRET, user_id=7, name="Åda", project_id=3, session_id=5, now=10_000)
    found = tokens.read(SECRET, token, now=10_000)
    assert (found.user_id, found.name, found.project_id, found.session_id) == (7, "Åda", 3, 5)
    assert tokens.LIFETIME_SECONDS / 2 <= found.expires_at - 10_000 <= tokens.LIFETIME_SECONDS
    with pytest.raises(tokens.TokenError, match="expired"):
        tokens.read(SECRET, token, now=found.expires_at)


def test_the_same_person_gets_the_same_token_for_a_while() -> None:
    start = 900 * 1000
    first, soon, later = (
        tokens.mint(SECRET, user_id=1, name="a", project_id=1, session_id=None, now=start + seconds)
        for seconds in (0, 899, 900)
    )
    assert first == soon != later


def test_changed_claims_are_refused() -> None:
    body, _, signature = tokens.mint(SECRET, user_id=1, name="a", project_id=1, session_id=None).partition(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["p"] = 2
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    for token in (f"{changed}.{signature}", f"{changed}.", f".{signature}", f"{body}.ünïcode", body):
        with pytest.raises(tokens.TokenError):
            tokens.read(SECRET, token)


def test_a_signed_body_of_another_form_is_refused() -> None:
    body = base64.urlsafe_b64encode(b'["not", "claims"]').rstrip(b"=").decode()
    with pytest.raises(tokens.TokenError):
        tokens.read(SECRET, f"{body}.{tokens._sign(SECRET, body)}")


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: tokens.load_secret(tmp_path), range(16)))
    assert len(found) == 1
    assert len(found.pop()) == 32
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_damaged_secret_is_said(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(ValueError, match="delete the file"):
        tokens.load_secret(tmp_path)


def test_the_secret_is_never_logged(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        secret = store.secret()
        tokens.mint(secret, user_id=1, name="a", project_id=1, session_id=None)
    assert secret.hex() not in caplog.text
    assert repr(secret) not in caplog.text
