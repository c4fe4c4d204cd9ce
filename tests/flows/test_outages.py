"""A database that is away for a while: hearts go on beating, and the runner's threads begin again."""

from __future__ import annotations

import logging
import threading

import pytest

from db import jobs
from db.errors import StoreBusy, StoreError
from flows import jobs as live_jobs
from flows.jobs import working
from flows.report import SilentReporter
from flows.runner import keep_going
from flows.settings import Settings
from flows.store import Store
from tests.flows.conftest import make_project


def test_a_heart_beats_on_when_the_store_was_away(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, beats, again = jobs.heartbeat, [], threading.Event()

    def heartbeat(*arguments: object) -> bool:
        beats.append(1)
        if len(beats) == 1:
            raise StoreBusy("expected the database to answer within a minute")
        again.set()
        return bool(real(*arguments))

    monkeypatch.setattr(live_jobs, "HEARTBEAT_SECONDS", 0.02)
    monkeypatch.setattr(jobs, "heartbeat", heartbeat)
    project = make_project(store)
    with working(store, project.id, "round", SilentReporter()):
        assert again.wait(60)
    assert "goes on" in caplog.text


def test_a_thread_of_the_runner_begins_again_until_it_is_asked_to_stop(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    stop, turns = threading.Event(), []

    def ring(given: Settings, asked: threading.Event) -> None:
        turns.append(given)
        if len(turns) < 3:
            raise StoreError("expected a database")
        asked.set()

    with caplog.at_level(logging.ERROR):
        keep_going(ring, settings, stop, seconds=0.01)
    assert turns == [settings] * 3
    assert caplog.text.count("begins again") == 2
