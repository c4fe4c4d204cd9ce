"""The audit log: complete, without secrets, in an order that stays, and a file of it that shows every change."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from db import access, api_tokens, audit, audit_chain, invitations, jobs, members, review, sessions, webhooks
from db.audit_chain import BrokenChain, Chain, check
from db.engine import Database
from db.errors import PermissionDenied
from db.records import Role
from db.tables import Base
from tests.db.scenes import CLASSES, Scene, make_scene


def full(database: Database) -> tuple[Scene, list[str]]:
    """A scene in which people did things, and the secrets that were made on the way."""
    scene = make_scene(database)
    bob = access.add_user(database, scene.ada, "bob", Role.annotator)
    members.add(database, scene.ada, scene.id, "bob", Role.reviewer)
    scene.ask()
    for query in scene.claim(scene.ada, 2):
        scene.submit(scene.ada, query)
    token = api_tokens.create(database, scene.ada, bob.id, "nightly", project_id=scene.id)
    api_tokens.revoke(database, scene.ada, token.token.id)
    hook = webhooks.add(database, scene.ada, scene.id, "https://example.org/canary-in-a-path", webhooks.TOPICS)
    login = sessions.start(database, bob.id)
    sessions.end(database, login.key)
    link = invitations.invite(database, scene.ada, Role.viewer)
    job = jobs.begin(database, scene.system, scene.id, "round", "host:1:1.0")
    assert job is not None
    jobs.finish(database, job, "failed", "no more")
    sample = next(iter(scene.labels()))
    review.decide(database, scene.ada, scene.id, "00000000-0000-4000-8000-000000000001", sample, scene.cls("dog"))
    return scene, [token.secret, hook.secret, login.key, link.token, "canary-in-a-path"]


def found(database: Database, scene: Scene, project_id: int | None = None, **more: Any) -> list[audit.Entry]:
    return list(audit.entries(database, scene.ada, project_id, **more))


def test_everything_that_was_done_is_there_with_who_and_when(database: Database) -> None:
    scene, secrets = full(database)
    every = found(database, scene)
    kinds = {entry["what"] for entry in every}
    assert kinds >= {
        "user", "session", "invitation", "api_token", "project", "member", "class", "webhook", "job", "round",
        "annotation_event", "label",
    }  # fmt: skip
    events = [entry for entry in every if entry["what"] == "annotation_event"]
    assert [entry["kind"] for entry in events] == ["answer", "answer", "review"]
    assert {entry["by_name"] for entry in events} == {"ada"}
    [token] = [entry for entry in every if entry["what"] == "api_token"]
    assert (token["by_name"], token["name"], token["revoked_at"] >= token["at"]) == ("ada", "nightly", True)
    [login] = [entry for entry in every if entry["what"] == "session"]
    assert (login["by_name"], login["revoked_at"] is not None) == ("bob", True)
    assert [entry["url"] for entry in every if entry["what"] == "webhook"] == ["example.org"]
    assert len([entry for entry in every if entry["what"] == "class"]) == len(CLASSES)
    written = json.dumps(every)
    assert [secret for secret in secrets if secret in written] == []
    assert "hash" not in written


def test_no_column_that_holds_a_secret_is_exported() -> None:
    named = {
        (source.row.__tablename__, name)
        for source in audit.SOURCES
        for name in (*source.moments, *source.rest, *filter(None, [source.by, source.project]))
    }
    columns = {(table.name, column.key) for table in Base.metadata.sorted_tables for column in table.columns}
    assert named <= columns
    secret = [name for _, name in named if any(word in name for word in ("hash", "secret", "password", "subject"))]
    assert secret == []


def test_the_order_stays_and_pages_lose_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, _ = full(database)
    before = found(database, scene)
    monkeypatch.setattr(audit, "PAGE", 2)
    assert found(database, scene) == before
    scene.submit(scene.ada, scene.claim(scene.ada)[0])
    later = found(database, scene)
    kept = [entry for entry in later if entry in before]
    assert kept == [entry for entry in before if entry in kept]
    added = [entry for entry in later if entry not in before]
    assert {entry["what"] for entry in added} <= {"annotation_event", "label", "round"}
    assert "annotation_event" in {entry["what"] for entry in added}


def test_a_projects_log_is_of_that_project_alone(database: Database) -> None:
    scene, _ = full(database)
    other = make_scene(database, name="other")
    other.ask()
    other.submit(other.ada, other.claim(other.ada)[0])
    mine = found(database, scene, scene.id)
    assert {entry["project_id"] for entry in mine} == {scene.id}
    assert not {"user", "session"} & {entry["what"] for entry in mine}
    assert len(found(database, scene)) > len(mine)


def test_since_leaves_out_what_was_over_by_then(database: Database) -> None:
    scene, _ = full(database)
    with database.engine.begin() as connection:
        at = connection.execute(text("SELECT max(created_at) FROM annotation_events")).scalar_one()
        connection.execute(text("UPDATE jobs SET started_at = 1, ended_at = :at"), {"at": at})
        connection.execute(text("UPDATE webhooks SET created_at = 1"))
    late = found(database, scene, since=at)
    assert [entry["kind"] for entry in late if entry["what"] == "annotation_event"][-1] == "review"
    assert len([entry for entry in late if entry["what"] == "job"]) == 1  # it began long before, and ended then
    assert [entry for entry in late if entry["what"] == "webhook"] == []


def test_rights_that_end_meanwhile_end_the_export(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, _ = full(database)
    eve = access.local_user(database, "eve")
    monkeypatch.setattr(audit, "PAGE", 1)
    reading = audit.entries(database, eve)
    next(reading)
    access.set_role(database, scene.ada, eve.user_id, Role.viewer)
    with pytest.raises(PermissionDenied):
        list(reading)


ENTRIES = [{"what": "x", "id": number, "name": f"zoë {number}"} for number in range(5)]


def lines() -> list[bytes]:
    return list(Chain().sealed({"made_at": "now"}, ENTRIES))


def test_a_file_that_nobody_touched_is_whole() -> None:
    chain = Chain()
    written = list(chain.sealed({"made_at": "now"}, ENTRIES))
    whole = check(written)
    assert (whole.lines, whole.last, whole.about["made_at"]) == (7, chain.last, "now")
    assert [json.loads(line)["what"] for line in written] == ["export", *["x"] * 5, "end"]


@pytest.mark.parametrize("place", range(7))
def test_each_line_that_is_taken_away_is_noticed(place: int) -> None:
    written = lines()
    del written[place]
    with pytest.raises(BrokenChain):
        check(written)


@given(st.integers(0, 6), st.data())
def test_each_byte_that_is_changed_is_noticed(place: int, data: st.DataObject) -> None:
    written = lines()
    spot = data.draw(st.integers(0, len(written[place]) - 1))
    changed = bytearray(written[place])
    changed[spot] ^= data.draw(st.integers(1, 255))
    written[place] = bytes(changed)
    with pytest.raises(BrokenChain):
        check(written)


@pytest.mark.parametrize(
    "change",
    [
        lambda all_lines: [all_lines[0], all_lines[2], all_lines[1], *all_lines[3:]],
        lambda all_lines: [*all_lines[:3], all_lines[2], *all_lines[3:]],
        lambda all_lines: all_lines[:-1],
        lambda all_lines: [*all_lines, all_lines[-1]],
        lambda all_lines: [all_lines[0].replace(b'{"', b'{ "'), *all_lines[1:]],  # the same values, written otherwise
        lambda all_lines: [all_lines[0].replace(b'"what"', b'"what":"export","what"'), *all_lines[1:]],
        lambda all_lines: [],
    ],
    ids=["moved", "doubled", "cut", "longer", "spaced", "a key twice", "empty"],
)
def test_a_file_that_was_edited_is_refused(change: Any) -> None:
    with pytest.raises(BrokenChain):
        check(change(lines()))


def test_a_chain_over_other_entries_ends_in_another_hash() -> None:
    forged = Chain()
    list(forged.sealed({"made_at": "now"}, ENTRIES[:-1]))
    assert forged.last != check(lines()).last
    assert audit_chain.FORMAT == 1
