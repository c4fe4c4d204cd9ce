"""The counting itself can fail: each broken promise is made once and found."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text

from benchmarks.invariants import Found, check
from benchmarks.journal import Journal, Read, Tried, read_journals
from db.engine import Database
from tests.database_fixtures import Place
from tests.db.scenes import Scene, make_scene


def answered(database: Database) -> tuple[Scene, Read]:
    """A scene with three answers, and what their client was told."""
    scene, clients = make_scene(database), Read()
    scene.ask(3)
    for query in scene.claim(scene.ada, 3):
        answer = scene.answer(query)
        entry = Tried(answer.answer_id, query.query_id, query.token, scene.cls())
        scene.submit(scene.ada, query, answer_id=answer.answer_id)
        clients.tried[answer.answer_id] = entry
        clients.acknowledged.add(answer.answer_id)
    return scene, clients


def found_after(place: Place, statement: str) -> Found:
    with place.open() as database:
        _, clients = answered(database)
        with database.engine.begin() as connection:
            for one in statement.split(";"):
                connection.execute(text(one))
        return check(database, clients)


def test_nothing_wrong_is_nothing_found(place: Place) -> None:
    with place.open() as database:
        _, clients = answered(database)
        found = check(database, clients)
    assert (found.acknowledged, found.broken, found.what) == (3, 0, [])


def test_an_answer_that_was_never_stored_is_lost(sqlite_place: Place) -> None:
    with sqlite_place.open() as database:
        _, clients = answered(database)
        name = str(uuid.uuid4())
        clients.tried[name] = Tried(name, 1, 1, 1)
        clients.acknowledged.add(name)
        assert check(database, clients).lost == 1


def test_an_answer_that_is_stored_as_another_class_is_lost(sqlite_place: Place) -> None:
    with sqlite_place.open() as database:
        scene, clients = answered(database)
        name, entry = next(iter(clients.tried.items()))
        clients.tried[name] = replace(entry, class_id=scene.cls("owl"))
        assert check(database, clients).lost == 1


def test_a_label_without_events_is_found(sqlite_place: Place) -> None:
    found = found_after(sqlite_place, "DELETE FROM labels WHERE id = (SELECT min(id) FROM labels)")
    assert (found.not_rebuilt, found.lost) == (1, 0)


def test_a_doubled_answer_is_found(sqlite_place: Place) -> None:
    columns = (
        "project_id, query_id, sample_id, user_id, claim_id, outcome, class_id, note, prediction_shown, mode, "
        "client_version, created_at"
    )
    twice = (
        f"INSERT INTO annotations ({columns}, answer_id) SELECT {columns}, '{uuid.uuid4()}' FROM annotations "
        "WHERE id = (SELECT min(id) FROM annotations)"
    )
    found = found_after(sqlite_place, f"DROP INDEX uq_annotations_standing; {twice}")
    assert found.doubled == 1


def test_two_people_on_a_slot_are_found(sqlite_place: Place) -> None:
    columns = "query_id, slots, slot, user_id, state, claimed_at, expires_at"
    twice = (
        f"INSERT INTO claims ({columns}, token) SELECT {columns}, token + 9 FROM claims "
        "WHERE id = (SELECT min(id) FROM claims)"
    )
    drops = "DROP INDEX uq_claims_active_slot; DROP INDEX uq_claims_active_user"
    assert found_after(sqlite_place, f"{drops}; {twice}").over_assigned == 1


def test_a_file_without_its_bytes_is_found(sqlite_place: Place) -> None:
    with sqlite_place.open() as database:
        _, clients = answered(database)  # the scene's files were never written
        assert check(database, clients, files=True).bad_hashes == 2


def test_a_journal_tells_what_is_open_after_a_kill(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "ada.journal")
    entries = [Tried(str(uuid.uuid4()), number, 1, 2) for number in range(3)]
    for entry in entries:
        journal.tried(entry)
    journal.acknowledged(entries[0].answer_id)
    journal.refused(entries[1].answer_id)
    journal.close()
    assert read_journals([journal.path, tmp_path / "none"]).open == [entries[2]]
