"""In front of everything when there are accounts: without a session only the login, health and static files answer.

Streamlit's own routes (uploads, downloads, the socket that runs the pages) know nothing of our sessions: an address of
theirs would open to whoever has it. The pages still check for themselves; this is the second lock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from db import sessions
from db.engine import Database
from db.records import Login
from labeler_ui.accounts import cookies, places

OPEN = frozenset(
    {
        *("/login", "/join", "/logout", "/auth/logout", "/favicon.png", "/_stcore/health", "/_stcore/host-config"),
        "/metrics",  # it asks for a token of its own
    }
)
OPEN_BELOW = ("/static/", "/api/")  # the API has guards of its own
PROVIDERS = frozenset({"/auth/login", "/oauth2callback"})
STREAMLITS = ("/_stcore/", "/media/", "/component/", "/app/")
SOCKET = "/_stcore/stream"


class Gate:
    """ASGI middleware that lets nobody without a session past the door."""

    def __init__(self, app: ASGIApp, open_database: Callable[[], Database], mode: str) -> None:
        self.app, self.open_database, self.mode = app, open_database, mode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] not in {"http", "websocket"} or self._is_open(scope["path"]):
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if scope["type"] == "websocket":
            await self._socket(connection, receive, send)
        elif await self._may_pass(connection):
            await self.app(scope, receive, send)
        else:
            await _refusal(connection)(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        if path in OPEN or path.startswith(OPEN_BELOW):
            return True
        # the login with a provider begins and ends in Streamlit's pages, which say nothing before it
        return self.mode == "oidc" and (path in PROVIDERS or path == SOCKET or not path.startswith(STREAMLITS))

    async def _may_pass(self, connection: HTTPConnection) -> bool:
        login = await self._login(connection.cookies)
        return login is not None and login.live

    async def _socket(self, connection: HTTPConnection, receive: Receive, send: Send) -> None:
        """Let a session that is over in, too: the page then says so, where a closed socket says 'connection lost'."""
        if await self._login(connection.cookies) is not None:
            await self.app(connection.scope, receive, send)
            return
        await receive()  # websocket.connect
        await send({"type": "websocket.close", "code": 4401})

    async def _login(self, found: Mapping[str, str]) -> Login | None:
        key = cookies.key_in(found, self.mode)
        return await run_in_threadpool(sessions.look_up, self.open_database(), key) if key else None


def _refusal(connection: HTTPConnection) -> Response:
    """Lead a person to the login; tell a program."""
    path = connection.url.path
    wants_page = "text/html" in connection.headers.get("accept", "") and not path.startswith(STREAMLITS)
    if connection.scope["method"] in {"GET", "HEAD"} and wants_page:
        query = f"?{connection.url.query}" if connection.url.query else ""
        address = places.login_address(quote(path) + query)
        return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})
    body = {"error": {"reason": "session", "message": "Log in first."}}
    return JSONResponse(body, status_code=401, headers={"Cache-Control": "no-store"})
