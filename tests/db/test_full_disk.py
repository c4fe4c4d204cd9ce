"""A full disk: a clear error, nothing half saved, and the same answer goes in when there is room."""

from __future__ import annotations

import socket

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks.proxy import proxied
from db.annotations import submit
from db.connections import POSTGRESQL_NETWORK
from db.engine import Database
from db.errors import StoreFull
from labeler_ui.api.guards import store_refusal
from tests.database_fixtures import Place, Server
from tests.db.scenes import make_scene, scalar


def limit_pages(database: Database, more: int | None) -> None:
    """Let the file grow by so many pages, or as it likes."""
    with database.engine.connect() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {2**30 if more is None else pages + more}"))


def test_a_full_disk_saves_nothing_and_says_so(sqlite_place: Place) -> None:
    with sqlite_place.open() as database:
        scene = make_scene(database, images=300)
        scene.ask(300)
        answers = [scene.answer(query) for query in scene.claim(scene.ada, 300)]
        limit_pages(database, 0)
        saved = 0

        def submit_all() -> None:
            nonlocal saved
            for answer in answers:
                submit(database, scene.ada, scene.id, answer)
                saved += 1

        with pytest.raises(StoreFull, match="was not saved: make room"):
            submit_all()
        assert scene.events() == len(scene.labels()) == saved < 300
        limit_pages(database, None)
        assert not submit(database, scene.ada, scene.id, answers[saved]).repeated
        assert scalar(database, "SELECT count(*) FROM annotation_events") == saved + 1


def test_programs_are_told_that_repeating_can_help() -> None:
    refusal = store_refusal(StoreFull("expected room"))
    assert (refusal.status, refusal.reason) == (507, "full")


@pytest.mark.postgresql
def test_a_silent_network_is_noticed(postgresql_place: Place, postgresql_server: Server) -> None:
    """The kernel's own patience with a cable that was pulled is hours; the connection must carry shorter limits."""
    assert postgresql_place.url is not None
    folder = postgresql_server.admin.rpartition("host=")[2]
    name = postgresql_place.url.partition("?")[0].rpartition("/")[2]
    if not folder.startswith("/"):
        pytest.skip("TEST_DATABASE_URL is no socket of this machine")
    with proxied(folder) as proxy:
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/{name}?sslmode=disable&gssencmode=disable"
        with Database.open(url, home=postgresql_place.home, migrate=False) as database:

            def options(session: Session) -> tuple[int, int]:
                raw = session.connection().connection.driver_connection
                assert raw is not None
                with socket.socket(fileno=raw.pgconn.socket) as plug:
                    found = (
                        plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
                        plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                    )
                    plug.detach()
                    return found

            limits = POSTGRESQL_NETWORK["tcp_user_timeout"], POSTGRESQL_NETWORK["keepalives_idle"]
            assert database.read(options) == limits
