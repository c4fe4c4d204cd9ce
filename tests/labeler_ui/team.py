"""A team at the page without a browser: our routes and middleware, people with accounts, what they send."""

from __future__ import annotations

from sqlalchemy import text
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from db import sessions
from db.engine import Database
from labeler_ui import api, store, tokens
from labeler_ui.accounts import cookies, routes
from labeler_ui.accounts.gate import Gate
from labeler_ui.hosts import HostGuard
from tests.labeler_ui.seed import Seeded

PASSWORD = "canary-password-4711"
HOSTS = ["localhost", "labels.example.org"]


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
    return TestClient(app, base_url=base, follow_redirects=False, **more)


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
