"""Members: roles, pauses, and exclusions that take the answers out of the labels and never out of history (T18)."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from db import access, labels, members, projects, rounds, samples
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from db.records import Actor, Member, Role, Round
from db.tables import AnnotationEventRow, AnnotationRow, ClaimRow
from tests.db.scenes import Scene, make_scene, scalar


def state(scene: Scene, who: Actor, value: str) -> Member:
    return members.set_state(scene.database, scene.ada, scene.id, who.user_id, value)


def agreeing(scene: Scene) -> dict[int, int]:
    found = scene.labels()
    assert labels.rebuild(scene.database) == found
    return found


def guest(scene: Scene, name: str, role: Role = Role.annotator) -> Actor:
    user = access.add_user(scene.database, scene.ada, name)
    members.set_role(scene.database, scene.ada, scene.id, user.id, role)
    return Actor(user_id=user.id, name=name)


def test_members_are_those_with_a_role_here_or_everywhere(database: Database) -> None:
    scene = make_scene(database, images=0)
    guest(scene, "eve", Role.reviewer)
    access.add_user(database, scene.ada, "nobody")
    access.simulated_user(database, "robot")
    found = members.members(database, scene.ada, scene.id)
    assert [(entry.user.name, entry.role, entry.state) for entry in found] == [
        ("ada", Role.administrator, "active"),
        ("eve", Role.reviewer, "active"),
    ]


def test_roles_are_given_by_name_and_changed(database: Database) -> None:
    scene = make_scene(database)
    access.add_user(database, scene.ada, "eve")
    assert members.add(database, scene.ada, scene.id, "eve", Role.viewer).role == Role.viewer
    eve = next(entry.user for entry in members.members(database, scene.ada, scene.id) if entry.user.name == "eve")
    actor = Actor(user_id=eve.id, name="eve")
    scene.ask(1)
    with pytest.raises(PermissionDenied):
        scene.claim(actor)
    members.set_role(database, scene.ada, scene.id, eve.id, Role.annotator)
    assert len(scene.claim(actor)) == 1
    members.set_role(database, scene.ada, scene.id, eve.id, Role.viewer)
    assert len(scene.claim(scene.person("bob"))) == 1  # what eve held is free at once
    members.remove(database, scene.ada, scene.id, eve.id)
    with pytest.raises(PermissionDenied):
        projects.get_project(database, actor, scene.id)
    with pytest.raises(NotFound, match="nobody"):
        members.add(database, scene.ada, scene.id, "who", Role.viewer)
    with pytest.raises(InvalidInput, match="own role"):
        members.set_role(database, scene.ada, scene.id, scene.ada.user_id, Role.viewer)


def test_a_pause_gives_back_what_is_held_and_keeps_what_was_said(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(2)
    bob = scene.person("bob")
    first, _ = scene.claim(bob, 2)
    scene.submit(bob, first)
    assert state(scene, bob, "paused").state == "paused"
    with pytest.raises(PermissionDenied, match="paused"):
        scene.claim(bob)
    assert len(scene.claim(scene.ada, 5)) == 1
    assert len(agreeing(scene)) == 1
    assert state(scene, bob, "active").state == "active"
    assert scene.claim(bob, 1) == []  # with ada now
    with pytest.raises(InvalidInput, match="own state"):
        state(scene, scene.ada, "excluded")
    with pytest.raises(InvalidInput, match="expected a state"):
        state(scene, bob, "asleep")


def test_excluding_somebody_takes_their_answers_out_of_the_labels(database: Database) -> None:
    """Threat T18: labels are as if they had never answered, history is as it was and longer."""
    scene = make_scene(database)
    turn = scene.ask(4)
    bob = scene.person("bob")
    held = scene.claim(bob, 3)
    scene.submit(bob, held[0], "cat")
    scene.submit(bob, held[1], "flag", note="?")
    scene.submit(scene.ada, scene.claim(scene.ada, 1)[0], "dog")
    before = scene.events()
    assert len(agreeing(scene)) == 2
    assert members.standing_answers(database, scene.ada, scene.id, bob.user_id) == 2
    assert state(scene, bob, "excluded").state == "excluded"
    assert list(agreeing(scene).values()) == [scene.cls("dog")]
    assert scene.events() == before + 2
    kept = select(AnnotationRow.answer_id).where(AnnotationRow.user_id == bob.user_id)
    told = select(AnnotationEventRow.target_id).where(AnnotationEventRow.kind == "withdraw")
    assert set(database.read(lambda session: session.scalars(kept).all())) == set(
        database.read(lambda session: session.scalars(told).all())
    )
    with pytest.raises(PermissionDenied, match="excluded"):  # although an administrator everywhere
        scene.claim(bob)
    free = scene.claim(scene.ada, 10)
    assert {held[0].sample_id, held[2].sample_id} <= {query.sample_id for query in free}  # withdrawn, and given back
    assert turn.state == "open"
    state(scene, bob, "active")
    assert list(agreeing(scene).values()) == [scene.cls("dog")]  # they do not come back by themselves


def test_an_image_with_other_votes_is_asked_again_or_decided_by_them(database: Database) -> None:
    scene = make_scene(database, overlap=2)
    bob, eve = scene.person("bob"), scene.person("eve")
    scene.ask(2)
    for actor, name in ((bob, "cat"), (scene.ada, "dog")):
        for query in scene.claim(actor, 2):
            scene.submit(actor, query, name)
    assert agreeing(scene) == {}  # two ties
    assert isinstance(rounds.begin_round(database, scene.system, scene.id), Round)
    state(scene, bob, "excluded")
    again = scene.claim(eve, 5)
    assert len(again) == 2  # eve may give the missing vote, although the round is over
    scene.submit(eve, again[0], "dog")
    assert agreeing(scene) == {again[0].sample_id: scene.cls("dog")}
    state(scene, eve, "excluded")
    assert set(agreeing(scene).values()) <= {scene.cls("dog")}


def test_where_nobody_is_left_the_votes_there_are_decide(database: Database) -> None:
    scene = make_scene(database, overlap=2)
    bob = scene.person("bob")
    scene.ask(1)
    for actor, name in ((bob, "cat"), (scene.ada, "dog")):
        scene.submit(actor, scene.claim(actor, 1)[0], name)
    assert isinstance(rounds.begin_round(database, scene.system, scene.id), Round)
    state(scene, bob, "excluded")
    assert list(agreeing(scene).values()) == [scene.cls("dog")]
    assert scene.claim(scene.ada, 5) == []


def test_old_answers_of_one_person_alone_go_back_to_the_pool(database: Database) -> None:
    scene = make_scene(database)
    bob = scene.person("bob")
    scene.ask(2)
    items = {query.sample_id for query in scene.claim(bob, 2)}
    for query in scene.claim(bob, 2):
        scene.submit(bob, query)
    scene.ask(2)
    state(scene, bob, "excluded")
    assert items <= set(scene.pool())
    assert agreeing(scene) == {}
    newest = {query.sample_id for query in scene.claim(scene.ada, 10)}
    assert not newest & items  # the round that people are at comes first; the model ranks these anew


def test_excluding_again_goes_on_where_a_killed_one_stopped(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "AT_ONCE", 2)
    scene = make_scene(database)
    bob = scene.person("bob")
    scene.ask(5)
    for query in scene.claim(bob, 5):
        scene.submit(bob, query)
    real, calls = members.take_back, []

    def dies(*arguments: object) -> int:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(members, "take_back", dies)
    with pytest.raises(KeyboardInterrupt):
        state(scene, bob, "excluded")
    assert len(agreeing(scene)) == 3
    state(scene, bob, "excluded")
    assert agreeing(scene) == {}
    assert scalar(database, "SELECT count(*) FROM annotation_events WHERE kind = 'withdraw'") == 5


def test_a_finished_project_goes_on_when_answers_are_withdrawn(database: Database) -> None:
    scene = make_scene(database, images=2)
    bob = scene.person("bob")
    scene.ask(2)
    for query in scene.claim(bob, 2):
        scene.submit(bob, query)
    assert not rounds.begin_round(database, scene.system, scene.id)
    state(scene, bob, "excluded")
    assert projects.get_project(database, scene.ada, scene.id).state == "active"
    assert samples.counts(database, scene.id).labels == 0
    assert [due.project_id for due in rounds.due(database)] == [scene.id]


def test_a_membership_that_keeps_somebody_out_is_not_removed(database: Database) -> None:
    scene = make_scene(database)
    bob = scene.person("bob")
    state(scene, bob, "excluded")
    with pytest.raises(Conflict, match="let in again"):
        members.remove(database, scene.ada, scene.id, bob.user_id)
    eve = guest(scene, "eve")
    state(scene, eve, "excluded")
    members.remove(database, scene.ada, scene.id, eve.user_id)
    with pytest.raises(NotFound, match="no role here"):
        state(scene, eve, "paused")


def test_nobody_waits_for_the_vote_of_somebody_who_is_paused(database: Database) -> None:
    scene = make_scene(database, overlap=2)
    bob = scene.person("bob")
    scene.ask(1)
    scene.submit(scene.ada, scene.claim(scene.ada, 1)[0], "dog")
    assert rounds.due(database) == []
    state(scene, bob, "paused")
    assert [due.reason for due in rounds.due(database)] == ["complete"]
    held = update(ClaimRow).values(expires_at=1)
    database.write(lambda session: session.execute(held))
