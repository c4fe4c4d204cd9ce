"""The cookie that stands for a login: what it is called, which flags it has, and how a session's secret is found in it.

With local accounts it is our own. With a login provider Streamlit sets one after its signed flow; its text is new at
each login, so it can stand for a session of ours, which ends when we say so (Streamlit's own lasts thirty days).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from starlette.requests import HTTPConnection
from starlette.responses import Response

from db.sessions import LONGEST_MS
from labeler_ui.hosts import host_name, is_loopback

NAME = "borderline_session"
PROVIDERS = "_streamlit_user"


def key_in(cookies: Mapping[str, str], mode: str) -> str | None:
    """Return the secret that stands for a session, or None without one.

    Args:
        cookies: By name, as the browser sent them.
        mode: 'accounts' or 'oidc'.
    """
    if mode == "accounts":
        return cookies.get(NAME) or None
    parts = [f"{name}={cookies[name]}" for name in sorted(cookies) if _is_providers(name)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest() if parts else None


def _is_providers(name: str) -> bool:
    """A long cookie comes in parts: NAME, NAME_1, NAME_2, ..."""
    rest = name.removeprefix(PROVIDERS)
    return name.startswith(PROVIDERS) and (rest == "" or (rest[0] == "_" and rest[1:].isdigit()))


def put(response: Response, request: HTTPConnection, key: str) -> None:
    """Set the cookie: no script reads it, no other site's form sends it, no plain line carries it but loopback."""
    response.set_cookie(
        NAME,
        key,
        max_age=LONGEST_MS // 1000,
        path="/",
        httponly=True,
        samesite="lax",
        secure=not is_plain_loopback(request),
    )


def remove(response: Response) -> None:
    """Take the cookie away; the session itself is ended in the store."""
    response.delete_cookie(NAME, path="/", httponly=True, samesite="lax")


def is_plain_loopback(request: HTTPConnection) -> bool:
    """Return whether this is http to this very machine, the one place where a password may go without TLS."""
    return request.url.scheme in {"http", "ws"} and is_loopback(host_name(request.headers.get("host", "")))


def is_protected(request: HTTPConnection) -> bool:
    """Return whether nobody on the way can read along: TLS, or this very machine."""
    return request.url.scheme in {"https", "wss"} or is_plain_loopback(request)
