"""Jobs, wishes and the doorbell: one at a time, taken over when silent, told at least once."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from db import commands, jobs, outbox, progress
from db.engine import Database
from db.errors import Conflict, InvalidInput
from tests.db.scenes import make_scene, messages


def test_one_job_of_a_kind_runs_in_a_project(database: Database) -> None:
    scene, other = make_scene(database), make_scene(database, name="other")
    job = jobs.begin(database, scene.system, scene.id, "round", "host:1")
    assert job is not None
    assert jobs.begin(database, scene.system, scene.id, "round", "host:2") is None
    assert jobs.begin(database, scene.system, other.id, "round", "host:2") is not None
    assert jobs.begin(database, scene.system, None, "round", "host:2") is not None
    assert jobs.heartbeat(database, job, 3, 10, "training")
    shown = progress.progress(database, scene.ada, scene.id).job
    assert shown is not None
    assert (shown.done, shown.total, shown.message) == (3, 10, "training")
    assert jobs.finish(database, job, "done")
    assert not jobs.finish(database, job, "failed")
    assert [entry.project_id for entry in jobs.running(database)] == [other.id, None]
    assert jobs.shown(database, scene.ada, scene.id) == ([], jobs.latest(database, scene.id, "round"))
    assert [entry.project_id for entry in jobs.shown(database, scene.ada, other.id)[0]] == [other.id]
    again = jobs.begin(database, scene.system, scene.id, "round", "host:2")
    assert again is not None
    assert again.attempt == 1


def test_a_silent_job_is_taken_over_and_hears_of_it(database: Database) -> None:
    scene = make_scene(database)
    job = jobs.begin(database, scene.system, scene.id, "round", "host:1")
    assert job is not None
    database.write(lambda session: session.execute(text("UPDATE jobs SET heartbeat_at = heartbeat_at - 60001")))
    second = jobs.begin(database, scene.system, scene.id, "round", "host:2")
    assert second is not None
    assert second.attempt == 2
    assert not jobs.heartbeat(database, job)
    assert not jobs.finish(database, job, "done")
    assert jobs.finish(database, second, "failed", "out of memory\x00")
    found = progress.progress(database, scene.ada, scene.id)
    assert (found.job, found.last_error) == (None, "out of memory\\0")
    third = jobs.begin(database, scene.system, scene.id, "round", "host:3")
    assert third is not None
    assert third.attempt == 3
    assert jobs.latest(database, scene.id, "round") == third
    assert jobs.latest(database, scene.id, "ingest") is None


def test_a_job_stops_when_it_is_canceled(database: Database) -> None:
    scene = make_scene(database)
    job = jobs.begin(database, scene.system, scene.id, "ingest", "host:1")
    assert job is not None
    assert jobs.request_cancel(database, scene.ada, job.id)
    assert not jobs.heartbeat(database, job)
    assert jobs.finish(database, job, "canceled")
    assert not jobs.request_cancel(database, scene.ada, job.id)
    with pytest.raises(InvalidInput):
        jobs.finish(database, job, "exploded")


def test_a_wish_is_kept_once_by_its_key(database: Database) -> None:
    scene = make_scene(database)
    first = commands.post(database, scene.ada, scene.id, "start", {"why": "ü"}, "key")
    assert commands.post(database, scene.ada, scene.id, "start", {"why": "ü"}, "key") == first
    with pytest.raises(Conflict):
        commands.post(database, scene.ada, scene.id, "cancel", {}, "key")
    assert commands.pending(database) == [first]
    assert commands.finish(database, first.id, "failed", "no space")
    assert not commands.finish(database, first.id)
    assert commands.pending(database) == []
    assert commands.post(database, scene.ada, scene.id, "start", {"why": "ü"}, "key").message == "no space"


@pytest.mark.parametrize("payload", [{"x": float("nan")}, {"x": object()}, {"x": "a\x00"}])
def test_a_payload_is_plain_json(database: Database, payload: dict[str, object]) -> None:
    scene = make_scene(database, images=0)
    with pytest.raises(InvalidInput, match="expected"):
        commands.post(database, scene.ada, scene.id, "start", payload, "key")


def test_the_bell_rings_only_for_what_was_committed(database: Database) -> None:
    scene = make_scene(database, images=0)

    def rung_then_failed(session: object) -> None:
        outbox.ring(session, "x", scene.id, {})
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        database.write(rung_then_failed)
    assert messages(database) == []
    for number in range(3):
        database.write(lambda session, number=number: outbox.ring(session, "x", scene.id, {"number": number}))
    assert [message.payload for message in messages(database)] == [{"number": number} for number in range(3)]


def test_a_round_and_a_training_never_run_at_once_in_a_project(database: Database) -> None:
    scene, other = make_scene(database), make_scene(database, name="other")
    job = jobs.begin(database, scene.system, scene.id, "round", "host:1")
    assert job is not None
    for kind in ("retrain", "augment"):
        assert jobs.begin(database, scene.system, scene.id, kind, "host:2") is None
    assert jobs.begin(database, scene.system, scene.id, "ingest", "host:2") is not None
    assert jobs.begin(database, scene.system, other.id, "retrain", "host:2") is not None
    assert jobs.finish(database, job, "done")
    assert jobs.begin(database, scene.system, scene.id, "retrain", "host:2") is not None


def test_a_job_of_another_host_ends_when_its_heart_stops(database: Database) -> None:
    scene = make_scene(database)
    job = jobs.begin(database, scene.system, scene.id, "round", "far away:1")
    lively = jobs.begin(database, scene.system, scene.id, "ingest", "far away:2")
    assert job is not None
    assert lively is not None
    assert jobs.end_silent(database) == 0
    change = text("UPDATE jobs SET heartbeat_at = heartbeat_at - 60001 WHERE id = :id")
    database.write(lambda session: session.execute(change, {"id": job.id}))
    assert jobs.end_silent(database) == 1
    assert [entry.id for entry in jobs.running(database, scene.id)] == [lively.id]
    ended = jobs.latest(database, scene.id, "round")
    assert ended is not None
    assert (ended.state, ended.error) == ("failed", jobs.SILENT)
    assert not jobs.heartbeat(database, job)  # it lives after all, and hears of it
