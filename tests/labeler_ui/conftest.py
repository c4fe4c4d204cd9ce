"""A home, a store and a client for the routes."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from db.engine import Database
from labeler_ui import api, store, tokens
from labeler_ui.hosts import HostGuard
from tests.labeler_ui.programs import Headers, bearer
from tests.labeler_ui.seed import Seeded, seed
from tests.labeler_ui.team_fixtures import team, team_client

__all__ = ["team", "team_client"]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_template: Path) -> Iterator[Path]:
    """A home whose tables are made already."""
    monkeypatch.setenv("BORDERLINE_HOME", str(tmp_path))
    monkeypatch.delenv("BORDERLINE_DATABASE_URL", raising=False)
    monkeypatch.setenv("BORDERLINE_USER", "ada")
    shutil.copy(sqlite_template, tmp_path / "borderline.db")
    yield tmp_path
    store.close()


@pytest.fixture
def database(home: Path) -> Database:
    return store.database()


@pytest.fixture
def seeded(database: Database) -> Seeded:
    return seed(database)


@pytest.fixture
def headers(seeded: Seeded) -> Headers:
    """What a program sends to the HTTP API."""
    return bearer(seeded)


@pytest.fixture
def client(home: Path) -> Iterator[TestClient]:
    service = api.Service(open_database=store.database, secret=store.secret())
    guard = Middleware(HostGuard, hosts=["testserver"])
    app = Starlette(routes=list(api.routes(service)), middleware=[guard])
    with TestClient(app, raise_server_exceptions=True) as made:
        yield made


def token_for(seeded: Seeded, name: str = "ada", **changes: object) -> dict[str, str]:
    """Return the headers of a person's component."""
    actor = store.actor(seeded.database, name)
    values = {"user_id": actor.user_id, "name": name, "project_id": seeded.project.id, "session_id": None, **changes}
    return {tokens.HEADER: tokens.mint(store.secret(), **values)}
