"""The demo's project: a reading that was killed half-way goes on, and twenty classes are all that is given away."""

from __future__ import annotations

import pytest

from db import projects, samples
from flows import demo
from flows.settings import Settings
from flows.store import open_store


def test_a_demo_that_was_killed_between_its_two_readings_goes_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = demo.ingest_source
    calls: list[str] = []

    def killed_at_the_second(*arguments: object) -> object:
        calls.append("reading")
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(demo, "run_round", lambda *_: pytest.fail("it must not train on half of the images"))
    monkeypatch.setattr(demo, "ingest_source", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        demo.prepare_demo("digits", lambda _: None, settings)
    with open_store(settings, system=True) as store:
        project = projects.get_project(store.database, store.actor, "digits")
        demo._read(store, project)
        counts = samples.counts(store.database, project.id)
        assert counts.pool + counts.test == 1797
        assert counts.labels == 20
        assert counts.test > 400
