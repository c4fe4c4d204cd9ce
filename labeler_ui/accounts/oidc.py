"""Login with a provider (OpenID Connect) through Streamlit: its settings, and what its signed answer makes of a person.

Streamlit does the flow (state, nonce, PKCE, signature) and keeps the answer in a signed cookie for thirty days. We take
that cookie as proof only shortly after the provider's answer was made; from then on a session of ours decides.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from db import identities, sessions
from db.engine import Database
from db.errors import PermissionDenied
from db.identities import Identity
from db.records import Login
from labeler_ui import settings, tokens

PREFIX = "BORDERLINE_OIDC_"
FRESH_SECONDS = 600
SKEW_SECONDS = 300  # the provider's clock is not ours
CALLBACK = "/oauth2callback"


def secrets() -> dict[str, Any]:
    """Return Streamlit's [auth] section from the environment; the cookie's secret is made once, mode 0600.

    Raises:
        ValueError: A setting is missing.
    """
    public = settings.load().public_url
    redirect = os.environ.get(f"{PREFIX}REDIRECT_URI") or (f"{public}{CALLBACK}" if public else "")
    if not redirect.endswith(CALLBACK):
        raise ValueError(
            f"expected BORDERLINE_PUBLIC_URL, or {PREFIX}REDIRECT_URI ending in {CALLBACK}, got {redirect!r}; set one"
        )
    return {
        "auth": {
            "redirect_uri": redirect,
            "cookie_secret": tokens.load_secret(settings.load().home, "cookie-secret").hex(),
            "client_id": _needed("CLIENT_ID"),
            "client_secret": _client_secret(),
            "server_metadata_url": _needed("METADATA_URL"),
        }
    }


def provider_name() -> str:
    """Return what the login button calls the provider."""
    return os.environ.get(f"{PREFIX}NAME", "").strip() or "your organization"


def administrators() -> list[str]:
    """Return the subjects and verified e-mail addresses that become administrators at their first login."""
    return [entry.strip() for entry in os.environ.get(f"{PREFIX}ADMINS", "").split(",") if entry.strip()]


def log_in(database: Database, claims: Mapping[str, Any], key: str, *, now: float | None = None) -> Login:
    """Return the session that a provider's answer stands for, begun now if the answer is fresh.

    Args:
        database: The store.
        claims: What the provider signed, as Streamlit checked it.
        key: What stands for this login in the browser.
        now: Seconds since the epoch; None is the clock.

    Raises:
        PermissionDenied: The answer is old, says too little, or is of a user who was disabled.
    """
    known = sessions.look_up(database, key)
    if known is not None:
        return known
    issued = claims.get("iat")
    moment = time.time() if now is None else now
    if not isinstance(issued, int | float) or not -SKEW_SECONDS <= moment - issued <= FRESH_SECONDS:
        raise PermissionDenied(sessions.OVER)
    actor = identities.recognize(database, identity_of(claims), administrators())
    begun = sessions.start(database, actor.user_id, key)
    return Login(session_id=begun.id, actor=actor, live=True)


def identity_of(claims: Mapping[str, Any]) -> Identity:
    """Return who a provider's answer is about.

    Raises:
        PermissionDenied: It names no issuer or no subject.
    """
    issuer, subject = claims.get("iss"), claims.get("sub")
    if not isinstance(issuer, str) or not isinstance(subject, str) or not issuer or not subject or " " in issuer:
        raise PermissionDenied("expected who you are from the login provider, got no subject; ask an administrator")
    email = claims.get("email")
    verified = isinstance(email, str) and claims.get("email_verified") in (True, "true")
    name = next((str(claims[part]) for part in ("name", "preferred_username", "email") if claims.get(part)), "somebody")
    return Identity(issuer=issuer, subject=subject, name=_one_line(name), email=str(email) if verified else None)


def _one_line(name: str) -> str:
    kept = "".join(character for character in " ".join(name.split()) if character.isprintable())
    return kept.strip() or "somebody"


def _needed(name: str) -> str:
    value = os.environ.get(PREFIX + name, "").strip()
    if not value:
        raise ValueError(f"expected {PREFIX}{name} with BORDERLINE_ACCOUNTS=oidc, got nothing; set it")
    return value


def _client_secret() -> str:
    """Return the client's secret, from a file where there is one: an environment is easier to read than a file."""
    file = os.environ.get(f"{PREFIX}CLIENT_SECRET_FILE", "").strip()
    if not file:
        return _needed("CLIENT_SECRET")
    secret = Path(file).read_text(encoding="utf-8").strip()
    if not secret:
        raise ValueError(f"expected the client's secret in {file}, got an empty file; write the provider's into it")
    return secret
