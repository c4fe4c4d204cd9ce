"""The benchmarks of the store and of the server, small: they count what they say, and can fail."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import answer_load, labeling_store
from benchmarks.load_clients import Annotator, ComponentAnnotator
from benchmarks.store_workers import INDEXES
from tests.database_fixtures import Server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def engine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An engine whose PostgreSQL is the one that the tests have started."""
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgresql_server")
        name = server.create()

        @contextmanager
        def place(engine: str) -> Iterator[tuple[str, Path]]:
            yield server.address(name), tmp_path

        monkeypatch.setattr(labeling_store, "place", place)
        yield "postgresql"
        server.drop(name)
    else:
        yield "sqlite"


def given(drop: str = "") -> Namespace:
    return Namespace(queries=12, careless=1, processes=2, drop_index=drop)


def test_two_processes_lose_and_double_nothing(engine: str) -> None:
    row = labeling_store.measure(engine, given())
    assert (row["over_assigned"], row["lost"], row["doubled"], row["unfinished"]) == (0, 0, 0, 0)
    assert row["answers"] == 24
    assert row["repeats"] > 0
    assert row["refused_by_index"] == len(INDEXES)  # one of two careless writers, each time
    assert row["what"] == "nothing wrong"


def test_without_the_unique_indexes_it_fails_in_every_way(engine: str) -> None:
    row = labeling_store.measure(engine, given(",".join(INDEXES)))
    assert row["refused_by_index"] == 0
    assert row["over_assigned"] == 1
    assert row["doubled"] == len(labeling_store.DOUBLED)
    for what in labeling_store.DOUBLED:
        assert f"{what}: 1" in row["what"]


def test_both_ways_of_an_answer_are_measured(tmp_path: Path) -> None:
    short = Namespace(seconds=2.0, pace=1.0)
    with answer_load.server(tmp_path) as port:
        for way, kind in (("route", Annotator), ("component", ComponentAnnotator)):
            row = answer_load.measure(way, tmp_path, port, kind, 2, short)
            assert row["answers"] == 4, row
            assert (row["lost"], row["doubled"], row["refused"]) == (0, 0, 0), row
            assert row["p95_ms"] > 0
