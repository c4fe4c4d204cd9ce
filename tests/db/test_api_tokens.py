"""Tokens for programs: shown once, one person's, ended at once, and failures slowed down by address."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import text

from db import access, api_tokens, projects
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from db.records import Actor, Role
from tests.db.scenes import Scene, make_scene, scalar


@pytest.fixture
def scene(database: Database) -> Scene:
    return make_scene(database, images=0)


def member(scene: Scene, name: str = "eve", role: Role = Role.annotator) -> Actor:
    user = access.add_user(scene.database, scene.ada, name)
    access.add_member(scene.database, scene.ada, scene.id, user.id, role)
    return Actor(user_id=user.id, name=name)


def run(scene: Scene, statement: str, **values: object) -> None:
    scene.database.write(lambda session: session.execute(text(statement), values))


def test_a_token_is_kept_as_a_hash_and_shown_once(scene: Scene) -> None:
    made = api_tokens.create(scene.database, scene.ada, scene.ada.user_id, "nightly")
    assert made.secret.startswith("blt_")
    assert len(made.secret) == 4 + 43  # 32 bytes
    assert made.secret not in repr(made)
    [listed] = api_tokens.listed(scene.database, scene.ada, scene.ada.user_id)
    assert listed == made.token
    stored = scene.database.read(lambda session: session.execute(text("SELECT * FROM api_tokens")).mappings().one())
    assert made.secret not in str(dict(stored))
    assert stored["token_hash"] == hashlib.sha256(made.secret.encode()).hexdigest()


def test_a_token_says_whose_it_is(scene: Scene) -> None:
    eve = member(scene)
    made = api_tokens.create(scene.database, eve, eve.user_id, "mine", project_id=scene.id)
    holder = api_tokens.authenticate(scene.database, made.secret)
    assert holder is not None
    assert (holder.actor.user_id, holder.actor.name, holder.project_id) == (eve.user_id, "eve", scene.id)


def test_its_use_is_noted_once_a_minute(scene: Scene) -> None:
    made = api_tokens.create(scene.database, scene.ada, scene.ada.user_id, "mine")

    def used() -> int:
        return scalar(scene.database, "SELECT coalesce(used_at, 0) FROM api_tokens")

    assert used() == 0
    api_tokens.authenticate(scene.database, made.secret)
    first = used()
    assert first > 0
    api_tokens.authenticate(scene.database, made.secret)
    assert used() == first
    run(scene, "UPDATE api_tokens SET used_at = used_at - 61000")
    api_tokens.authenticate(scene.database, made.secret)
    assert used() >= first


@pytest.mark.parametrize(
    "end",
    [
        lambda scene, eve, token: api_tokens.revoke(scene.database, eve, token),
        lambda scene, eve, token: api_tokens.revoke(scene.database, scene.ada, token),
        lambda scene, eve, token: access.set_active(scene.database, scene.ada, eve.user_id, False),
        lambda scene, eve, token: run(scene, "UPDATE api_tokens SET expires_at = 1"),
    ],
    ids=["revoked by its owner", "revoked by an administrator", "its user disabled", "expired"],
)
def test_a_token_that_has_ended_opens_nothing_at_once(scene: Scene, end: object) -> None:
    eve = member(scene)
    made = api_tokens.create(scene.database, eve, eve.user_id, "mine", days=1)
    assert api_tokens.authenticate(scene.database, made.secret) is not None
    end(scene, eve, made.token.id)
    assert api_tokens.authenticate(scene.database, made.secret) is None


def test_others_tokens_are_an_administrators_business(scene: Scene) -> None:
    eve, bob = member(scene), member(scene, "bob", Role.administrator)  # of the project, not of everything
    made = api_tokens.create(scene.database, eve, eve.user_id, "mine")
    for refused in (
        lambda: api_tokens.create(scene.database, bob, eve.user_id, "theirs"),
        lambda: api_tokens.create(scene.database, bob, eve.user_id, "theirs", project_id=scene.id),
        lambda: api_tokens.listed(scene.database, bob, eve.user_id),
        lambda: api_tokens.listed(scene.database, bob),
        lambda: api_tokens.revoke(scene.database, bob, made.token.id),
    ):
        with pytest.raises(PermissionDenied):
            refused()
    assert api_tokens.create(scene.database, scene.ada, eve.user_id, "theirs").token.user_name == "eve"
    assert len(api_tokens.listed(scene.database, scene.ada)) == 2


def test_a_token_for_a_project_that_its_maker_may_not_see_is_refused(scene: Scene) -> None:
    eve = member(scene)
    other = make_scene(scene.database, images=0, name="other")
    with pytest.raises(PermissionDenied):
        api_tokens.create(scene.database, eve, eve.user_id, "mine", project_id=other.id)
    projects.delete_project(scene.database, scene.ada, other.id)
    with pytest.raises(NotFound):
        api_tokens.create(scene.database, scene.ada, eve.user_id, "theirs", project_id=other.id)


def test_disabled_people_make_no_tokens_and_the_system_has_none(scene: Scene) -> None:
    eve = member(scene)
    access.set_active(scene.database, scene.ada, eve.user_id, False)
    with pytest.raises(PermissionDenied):
        api_tokens.create(scene.database, eve, eve.user_id, "mine")
    with pytest.raises(InvalidInput):
        api_tokens.create(scene.database, scene.ada, scene.system.user_id, "the system's")


def test_tokens_are_not_made_without_end(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_tokens, "MOST_LIVE", 2)
    for _ in range(2):
        made = api_tokens.create(scene.database, scene.ada, scene.ada.user_id, "x")
    with pytest.raises(Conflict):
        api_tokens.create(scene.database, scene.ada, scene.ada.user_id, "x")
    api_tokens.revoke(scene.database, scene.ada, made.token.id)
    api_tokens.create(scene.database, scene.ada, scene.ada.user_id, "x")


def fail(scene: Scene, address: str = "203.0.113.5") -> None:
    assert api_tokens.authenticate(scene.database, "blt_" + "x" * 43, address) is None


def test_failures_from_one_address_are_slowed_down_and_valid_tokens_are_not(scene: Scene) -> None:
    made = api_tokens.create(scene.database, scene.ada, scene.ada.user_id, "mine")
    for _ in range(api_tokens.FREE_FAILURES):
        fail(scene)
    with pytest.raises(PermissionDenied, match="try again in"):
        fail(scene)
    fail(scene, "203.0.113.6")
    assert api_tokens.authenticate(scene.database, made.secret, "203.0.113.5") is not None
    run(scene, "UPDATE throttles SET blocked_until = 0")
    fail(scene)
    longer = "SELECT max(blocked_until - updated_at) FROM throttles"
    assert scalar(scene.database, longer) == 2000


def test_a_block_is_forgotten_after_an_hour(scene: Scene) -> None:
    for _ in range(api_tokens.FREE_FAILURES):
        fail(scene)
    run(scene, "UPDATE throttles SET blocked_until = 0, updated_at = updated_at - 3600001")
    fail(scene)
    assert scalar(scene.database, "SELECT failures FROM throttles") == 1


def test_one_ipv6_network_is_one_address(scene: Scene) -> None:
    for number in range(api_tokens.FREE_FAILURES):
        fail(scene, f"2001:db8::{number:x}")
    with pytest.raises(PermissionDenied):
        fail(scene, "2001:db8::ffff")
    fail(scene, "2001:db8:1::1")


@pytest.mark.parametrize("nonsense", [None, "", "blt_", "x" * 47, "blt_" + "é" * 43, "blt_" + "x" * 42 + "\n"])
def test_nonsense_is_no_token(scene: Scene, nonsense: str | None) -> None:
    assert api_tokens.authenticate(scene.database, nonsense) is None
