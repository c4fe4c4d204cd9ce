"""Labels enough are told at least once: a server that is down hears of it later, one event a project at a time."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import text

from db import outbox, schedules
from db.engine import Database
from db.outbox import ring_for_labels
from db.records import Project
from flows.prefect_events import LABELS_DUE, QUIET_SECONDS, EventRelay
from flows.prefect_schedules import as_prefect, wanted_schedules
from flows.store import Store
from tests.flows.conftest import make_project, read_digits


@pytest.fixture
def project(store: Store) -> Project:
    """A project that retrains after five labels, and has many."""
    made = make_project(store)
    read_digits(store, made, 40, labels="use")
    schedules.put(store.database, store.actor, made.id, labels=5)
    return made


def ring(database: Database, project: Project) -> None:
    database.write(lambda session: ring_for_labels(session, project.id))


def test_a_message_stays_until_the_server_has_it(store: Store, project: Project) -> None:
    down, sent = [True], []

    def send(event: object) -> None:
        if down[0]:
            raise ConnectionError("the server is down")
        sent.append(event)

    relay = EventRelay(send)
    ring(store.database, project)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            relay.carry(store)
    down[0] = False
    assert relay.carry(store) == 1
    [event] = sent
    assert (event.event, event.payload["project_id"]) == (LABELS_DUE, project.id)
    assert event.payload["labels"] == schedules.due(store.database)[0].slot
    assert relay.carry(store) == 0
    assert outbox.waiting(store.database) == {}


def test_an_event_that_is_sent_twice_has_one_id(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay that dies between sending and noting it sends again; whoever counts events can tell."""
    sent: list[object] = []
    ring(store.database, project)
    with monkeypatch.context() as patch:
        patch.setattr("flows.prefect_events.outbox.note_sent", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            EventRelay(sent.append).carry(store)
    assert EventRelay(sent.append).carry(store) == 1
    assert sent[0].id == sent[1].id


def test_events_of_a_project_keep_their_distance(store: Store, project: Project) -> None:
    clock, sent = [1000.0], []
    relay = EventRelay(sent.append, clock=lambda: clock[0])
    for seconds, events in ((0, 1), (QUIET_SECONDS / 2, 1), (QUIET_SECONDS, 2)):
        clock[0] += seconds
        ring(store.database, project)
        relay.carry(store)
        assert len(sent) == events


def test_labels_that_are_not_enough_are_told_nobody(store: Store, project: Project) -> None:
    schedules.put(store.database, store.actor, project.id, labels=1000)
    ring(store.database, project)
    assert EventRelay(lambda _: pytest.fail("nothing is due")).carry(store) == 0
    rows = text("SELECT count(*) FROM outbox WHERE topic = 'labels_changed'")
    assert store.database.read(lambda session: session.execute(rows).scalar_one()) == 0


def test_prefect_is_shown_times_with_whole_numbers(store: Store, project: Project) -> None:
    schedules.put(store.database, store.actor, project.id, cron="0 3 * * 1-5", timezone="Europe/Paris")
    schedules.put(store.database, store.actor, project.id, seconds=7200)
    schedules.put(store.database, store.actor, None, seconds=7200)
    found = wanted_schedules(schedules.running(store.database))
    assert set(found) == {f"project-{project.id}-cron", f"project-{project.id}-interval"}
    shown = {slug: as_prefect(slug, entry).model_dump(mode="json") for slug, entry in found.items()}
    cron, interval = shown[f"project-{project.id}-cron"], shown[f"project-{project.id}-interval"]
    assert (cron["schedule"]["cron"], cron["schedule"]["timezone"]) == ("0 3 * * 1-5", "Europe/Paris")
    assert interval["schedule"]["interval"] == 7200.0
    assert all(np.issubdtype(type(value), np.integer) for value in interval["parameters"].values())
