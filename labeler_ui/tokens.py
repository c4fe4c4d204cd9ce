"""Short-lived HMAC tokens: routes cannot see Streamlit's session, so the page hands each component a signed pass."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

HEADER = "x-borderline-token"
LIFETIME_SECONDS = 1800
SECRET_BYTES = 32


class TokenError(Exception):
    """A token that is missing, forged, damaged or expired. The text is safe to show."""


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What a valid token says: this user may use this project's routes until `expires_at` (seconds since the epoch).

    `session_id` is the login it came from: with that session ends the token. None in local mode, which has no logins.
    """

    user_id: int
    name: str
    project_id: int
    expires_at: int
    session_id: int | None


def load_secret(home: Path, name: str = "secret") -> bytes:
    """Return a secret of this home, creating it when it is missing.

    The file is written in full (mode 0600) under another name and linked into place, so two processes that start
    together agree on one secret and nobody ever reads half of it.

    Args:
        home: BORDERLINE_HOME; created when missing.
        name: The file's name; the default one signs tokens.

    Raises:
        ValueError: The file is there but too short to be a secret.
    """
    path = home / name
    if not path.exists():
        _create_secret(path)
    secret = path.read_bytes()
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"expected at least {SECRET_BYTES} bytes in {path.name}, got {len(secret)}; delete the file")
    return secret


def _create_secret(path: Path) -> None:
    """Write a fresh secret at `path` unless another process was faster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            return
    finally:
        fresh.unlink()


def mint(
    secret: bytes, *, user_id: int, name: str, project_id: int, session_id: int | None, now: float | None = None
) -> str:
    """Return a token for one user and one project, good for as long as the session it names.

    The expiry is rounded up to half a lifetime, so within that time a person gets the same token again and the
    browser's image cache (which varies by token) stays warm across a reload.
    """
    step = LIFETIME_SECONDS // 2
    moment = time.time() if now is None else now
    expires_at = (int(moment) // step + 2) * step
    claims = {"u": user_id, "n": name, "p": project_id, "e": expires_at, "s": session_id}
    body = _encode(json.dumps(claims, separators=(",", ":"), sort_keys=True).encode())
    return f"{body}.{_sign(secret, body)}"


def read(secret: bytes, token: str | None, *, now: float | None = None) -> Pass:
    """Check a token's signature and age and return what it says.

    Raises:
        TokenError: Missing, malformed, not signed by this secret, or expired.
    """
    body, _, signature = (token or "").partition(".")
    if not body or not hmac.compare_digest(signature.encode(), _sign(secret, body).encode()):
        raise TokenError("This page's pass is missing or not valid. Reload the page.")
    try:
        claims = json.loads(_decode(body))
        found = Pass(
            user_id=claims["u"],
            name=claims["n"],
            project_id=claims["p"],
            expires_at=claims["e"],
            session_id=claims["s"],
        )
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise TokenError("This page's pass cannot be read. Reload the page.") from error
    if found.expires_at <= (time.time() if now is None else now):
        raise TokenError("This page's pass has expired. Reload the page.")
    return found


def seconds_left(secret: bytes, token: str) -> int:
    """Return for how many seconds a valid token still holds."""
    return int(read(secret, token).expires_at - time.time())


def _sign(secret: bytes, body: str) -> str:
    return _encode(hmac.new(secret, b"borderline-token-1." + body.encode(), hashlib.sha256).digest())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
