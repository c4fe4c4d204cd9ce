"""Schedules in SQL: set, switched, due once a moment, and taken by one of any number that try."""

from __future__ import annotations

from itertools import chain

import pytest
from sqlalchemy import event, text

from db import deliveries, model_choices, model_versions, outbox, projects, schedules, webhooks
from db.clock import now
from db.engine import Database
from db.errors import InvalidInput, NotFound, PermissionDenied
from db.records import DueSlot, NewModelVersion
from tests.database_fixtures import Place
from tests.db import children
from tests.db.children import together
from tests.db.scenes import Scene, make_scene, messages, scalar, written_file

DAY = 86_400


def age(database: Database, seconds: float) -> None:
    """Let schedules have been set, and answered, earlier."""
    change = text("UPDATE schedules SET changed_at = changed_at - :ms, last_slot = last_slot - :ms")
    database.write(lambda session: session.execute(change, {"ms": round(seconds * 1000)}))


def train(scene: Scene, labels: int, *, current: bool = True) -> None:
    new = NewModelVersion(
        file=written_file(scene.database.home, f"m{labels}"),
        architecture="a",
        recipe="r",
        strategy="s",
        seed=0,
        labels_used=labels,
    )
    version = model_versions.record(scene.database, scene.system, scene.id, new)
    if current:
        model_choices.promote(scene.database, scene.system, scene.id, version.id, "better", instead_of=None)


def label(scene: Scene, count: int) -> None:
    for query in scene.claim(scene.ada, count):
        scene.submit(scene.ada, query)


def test_a_trigger_is_set_once_a_project_and_changed_by_setting_it_again(database: Database) -> None:
    scene = make_scene(database)
    first = schedules.put(database, scene.ada, scene.id, cron="0  3 * * *", timezone="Europe/Paris")
    assert (first.kind, first.trigger, first.cron, first.timezone) == ("retrain", "cron", "0 3 * * *", "Europe/Paris")
    again = schedules.put(database, scene.ada, scene.id, cron="0 3 * * *", timezone="Europe/Paris")
    assert again.changed_at == first.changed_at  # nothing is new: no moment is lost
    changed = schedules.put(database, scene.ada, scene.id, cron="0 4 * * *")
    assert (changed.id, changed.cron, changed.timezone) == (first.id, "0 4 * * *", "UTC")
    schedules.put(database, scene.ada, scene.id, seconds=DAY)
    schedules.put(database, scene.ada, scene.id, labels=200)
    schedules.put(database, scene.ada, None, seconds=DAY)
    found = schedules.of_project(database, scene.ada, scene.id)
    assert [entry.trigger for entry in found] == ["cron", "interval", "labels"]
    assert found[1].next_at == found[1].changed_at + DAY * 1000
    assert found[2].labels_left == 200
    everywhere = schedules.everywhere(database, scene.ada)
    assert {entry.kind for entry in everywhere} == {"retrain", "backup"}
    schedules.remove(database, scene.ada, first.id)
    assert len(schedules.of_project(database, scene.ada, scene.id)) == 2
    with pytest.raises(NotFound):
        schedules.switch(database, scene.ada, first.id, False)


def test_what_cannot_be_is_refused(database: Database) -> None:
    scene = make_scene(database)
    for wrong in ({}, {"cron": "0 3 * * *", "seconds": DAY}, {"labels": 0}, {"seconds": 59}, {"cron": "nightly"}):
        with pytest.raises(InvalidInput):
            schedules.put(database, scene.ada, scene.id, **wrong)
    with pytest.raises(InvalidInput, match="for backups"):
        schedules.put(database, scene.ada, None, labels=5)
    guest = scene.person("eve")
    database.write(lambda session: session.execute(text("UPDATE users SET role = NULL WHERE name = 'eve'")))
    with pytest.raises(PermissionDenied):
        schedules.put(database, guest, None, seconds=DAY)
    assert schedules.everywhere(database, scene.ada) == []


def test_a_moment_missed_many_times_is_due_once(database: Database) -> None:
    scene = make_scene(database)
    entry = schedules.put(database, scene.ada, scene.id, seconds=3600)
    assert schedules.due(database) == []
    age(database, 3600 * 7.5)
    [due] = schedules.due(database)
    start = schedules.of_project(database, scene.ada, scene.id)[0].changed_at
    assert due == DueSlot(schedule_id=entry.id, project_id=scene.id, kind="retrain", slot=start + 7 * 3_600_000)
    assert schedules.take(database, due)
    assert not schedules.take(database, due)
    assert schedules.due(database) == []
    found = schedules.of_project(database, scene.ada, scene.id)[0]
    assert (found.last_slot, found.next_at) == (due.slot, start + 8 * 3_600_000)
    age(database, 3600)
    assert len(schedules.due(database)) == 1


def test_a_cron_moment_is_due_after_it_and_not_before_the_schedule_was_set(database: Database) -> None:
    scene = make_scene(database)
    schedules.put(database, scene.ada, scene.id, cron="* * * * *")
    assert schedules.due(database) == []  # the minute that has begun was before
    age(database, 60)
    [due] = schedules.due(database)
    at = database.read(now)
    assert due.slot % 60_000 == 0
    assert at - 120_000 < due.slot <= at


def test_what_is_off_paused_deleted_or_simulated_is_never_due(database: Database) -> None:
    scene = make_scene(database)
    entry = schedules.put(database, scene.ada, scene.id, seconds=3600)
    age(database, 4000)
    [due] = schedules.due(database)
    projects.set_paused(database, scene.ada, scene.id, True)
    assert schedules.due(database) == schedules.running(database) == []
    projects.set_paused(database, scene.ada, scene.id, False)
    schedules.switch(database, scene.ada, entry.id, False)
    assert schedules.due(database) == []
    assert not schedules.take(database, due)  # switched off between looking and taking
    assert schedules.of_project(database, scene.ada, scene.id)[0].next_at is None
    schedules.switch(database, scene.ada, entry.id, True)
    assert schedules.due(database) == []  # what was missed while it was off does not count
    age(database, 4000)
    assert len(schedules.due(database)) == 1
    database.write(lambda session: session.execute(text("UPDATE projects SET kind = 'simulation'")))
    assert schedules.due(database) == []
    database.write(lambda session: session.execute(text("UPDATE projects SET kind = 'labeling'")))
    projects.delete_project(database, scene.ada, scene.id)
    assert schedules.due(database) == []
    assert schedules.everywhere(database, scene.ada) == []


def test_new_labels_are_counted_from_the_model_in_use_or_the_last_retraining(database: Database) -> None:
    scene = make_scene(database, images=30)
    scene.ask(20)
    schedules.put(database, scene.ada, scene.id, labels=4)
    label(scene, 3)
    assert schedules.due(database) == []
    assert schedules.of_project(database, scene.ada, scene.id)[0].labels_left == 1
    label(scene, 2)
    [due] = schedules.due(database)
    assert due.slot == 5
    assert schedules.take(database, due)
    assert schedules.due(database) == []  # even if the new model was not better, and is not in use
    train(scene, 5, current=False)
    label(scene, 3)
    assert schedules.due(database) == []
    label(scene, 1)
    assert [entry.slot for entry in schedules.due(database)] == [9]
    train(scene, 9)  # a person was faster
    assert schedules.due(database) == []


def test_a_moment_whose_run_died_is_taken_again_by_one(database: Database) -> None:
    scene = make_scene(database)
    schedules.put(database, scene.ada, scene.id, seconds=3600)
    age(database, 4000)
    [due] = schedules.due(database)
    assert schedules.take(database, due)
    taken = schedules.of_project(database, scene.ada, scene.id)[0]
    again = DueSlot(**{**vars(due), "taken_at": taken.last_started_at})
    assert schedules.take(database, again)
    assert not schedules.take(database, again)


def test_of_four_processes_one_takes_a_moment(place: Place) -> None:
    with place.open() as database:
        scene = make_scene(database, images=0)
        schedules.put(database, scene.ada, scene.id, seconds=60)
        schedules.put(database, scene.ada, None, seconds=60)
        age(database, 1000)
        first = schedules.due(database)
        won = together(children.take_slots, [(place.url, place.home, first)] * 4)
        assert sorted(chain.from_iterable(won)) == sorted(slot.schedule_id for slot in first)
        taken = {entry.id: entry.last_started_at for entry in schedules.everywhere(database, scene.ada)}
        again = [DueSlot(**{**vars(slot), "taken_at": taken[slot.schedule_id]}) for slot in first]
        won = together(children.take_slots, [(place.url, place.home, again)] * 4)
        assert sorted(chain.from_iterable(won)) == sorted(taken)


def test_new_labels_ring_once_where_somebody_counts_them(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(9)
    label(scene, 1)
    assert outbox.waiting(database) == {}
    entry = schedules.put(database, scene.ada, scene.id, labels=100)
    label(scene, 2)
    [(project_id, seen)] = outbox.waiting(database).items()
    [message] = seen
    assert project_id == scene.id
    webhooks.add(database, scene.ada, scene.id, "https://example.org/hook", webhooks.TOPICS)
    assert deliveries.spread(database) == 0
    assert outbox.waiting(database) == {scene.id: seen}  # webhooks leave it alone
    label(scene, 1)
    outbox.drop(database, seen)  # by one who counted before this label
    assert list(outbox.waiting(database)[scene.id]) == [message]
    outbox.note_sent(database, [message])
    assert outbox.waiting(database) == {}
    label(scene, 1)
    outbox.drop(database, outbox.waiting(database)[scene.id])
    schedules.switch(database, scene.ada, entry.id, False)
    label(scene, 1)
    assert outbox.waiting(database) == {}
    assert [message.topic for message in messages(database) if message.topic == outbox.NEW_LABELS] == []
    assert scalar(database, "SELECT count(*) FROM outbox WHERE topic = 'labels_changed'") == 1


def test_what_is_asked_every_second_counts_no_labels(database: Database) -> None:
    scene = make_scene(database)
    schedules.put(database, scene.ada, scene.id, labels=100)
    asked: list[str] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    [entry] = schedules.running(database)
    assert entry.labels_left is None
    assert asked
    assert not [statement for statement in asked if "FROM labels" in statement or "samples" in statement]
    assert schedules.of_project(database, scene.ada, scene.id)[0].labels_left == 100
    assert [statement for statement in asked if "FROM labels" in statement]


def test_a_label_that_is_rolled_back_rings_for_nobody(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(3)
    schedules.put(database, scene.ada, scene.id, labels=1)

    def work(session: object) -> None:
        outbox.ring_for_labels(session, scene.id)
        raise RuntimeError("never mind")

    with pytest.raises(RuntimeError):
        database.write(work)
    assert outbox.waiting(database) == {}
