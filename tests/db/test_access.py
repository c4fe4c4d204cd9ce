"""Authorization: every public function of db that acts for somebody is in the matrix, and refuses lower roles."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest
from sqlalchemy import text

from db import (
    access,
    claims,
    jobs,
    projects,
    samples,
)
from db.engine import Database
from db.errors import NotFound, PermissionDenied, StoreError
from db.records import Actor, Role
from tests.db.access_matrix import GLOBAL, MATRIX
from tests.db.scenes import Scene, make_scene

MODULES = [
    "access",
    "accounts",
    "annotations",
    "api_tokens",
    "audit",
    "claims",
    "classes",
    "commands",
    "comparison_log",
    "comparisons",
    "copies",
    "gold",
    "gold_draw",
    "grid",
    "holdout",
    "exchange",
    "export",
    "homes",
    "imports",
    "identities",
    "invitations",
    "deliveries",
    "figures",
    "jobs",
    "labels",
    "members",
    "model_choices",
    "model_versions",
    "outbox",
    "progress",
    "projects",
    "pseudo_labels",
    "quality",
    "review",
    "rounds",
    "samples",
    "snapshot",
    "schedules",
    "why",
    "sessions",
    "stopping",
    "webhooks",
]


# For flows and the page's server alone: they act for nobody, and no route may call them for somebody.
SERVER_SIDE = {
    "access.local_user",  # local mode: whoever is at the machine
    "access.simulated_user",
    "access.system_actor",
    "access.authorize",  # the check itself; inside of a transaction
    "accounts.change_password",  # before or without a session: the password is the proof
    "accounts.log_in",
    "annotations.Answer",
    "api_tokens.authenticate",
    "claims.assign",
    "claims.describe",
    "claims.first_offered",
    "claims.offered",
    "claims.renew_held",
    "claims.take",
    "commands.finish",
    "commands.pending",
    "copies.copies_for_training",
    "copies.originals",
    "figures.figures",  # the route checks a token of its own, or that it is asked on this machine
    "gold.due",
    "gold.follow",
    "grid.spot_check",  # a step of an answer, inside of its transaction
    "exchange.config_path",  # reads no project
    "exchange.read_labels",
    "homes.recognize",  # reads two counts, when a service starts
    "identities.recognize",  # the login provider's signature is the proof
    "invitations.accept",  # the link's token is the proof
    "invitations.first_administrator",
    "invitations.look",
    "deliveries.finish",
    "deliveries.lease",
    "deliveries.prune",
    "deliveries.spread",
    "deliveries.wait_ms",
    "jobs.alive_in",
    "jobs.end_silent",
    "jobs.finish",
    "jobs.heartbeat",
    "jobs.latest",
    "jobs.latest_of",
    "jobs.running",
    "labels.live_class",
    "labels.rebuild",
    "labels.resolve",
    "holdout.holdout_accuracy",
    "holdout.pairs_of",
    "model_versions.all_of",
    "model_versions.current",
    "model_versions.current_of",
    "model_versions.for_round",
    "model_versions.one_of",
    "outbox.drop",
    "outbox.note_sent",
    "outbox.ring",
    "outbox.ring_for_labels",
    "outbox.waiting",
    "projects.load",
    "pseudo_labels.for_training",
    "rounds.due",
    "rounds.get_round",
    "samples.counts",
    "samples.known_classes",
    "samples.labeled",
    "samples.labeled_holdout",
    "samples.pool_index",
    "samples.split_truth",
    "schedules.due",
    "schedules.running",
    "schedules.take",
    "sessions.caller",
    "sessions.end",  # the session's secret is the proof
    "sessions.look_up",
    "sessions.start",
    "snapshot.contents",  # a file at hand, not the store
    "snapshot.files_in",
    "snapshot.originals_in",
    "snapshot.seal",
    "webhooks.announce_answer",
    "webhooks.announce_query",
    "webhooks.check_url",
    "webhooks.one",
    "webhooks.wanted",
}


FILTERS = {"projects.list_projects"}  # shows nothing instead of refusing


def public_functions() -> dict[str, Any]:
    found = {}
    for short in MODULES:
        module = importlib.import_module(f"db.{short}")
        named = getattr(module, "__all__", None)
        for name, value in vars(module).items():
            ours = getattr(value, "__module__", "").startswith("db.") and not name.startswith("_")
            listed = name in named if named else getattr(value, "__module__", "") == module.__name__
            if inspect.isfunction(value) and ours and listed:
                found[f"{short}.{name}"] = value
    return found


def test_every_public_function_is_in_the_matrix_or_on_the_server_side() -> None:
    acting = {name for name, value in public_functions().items() if "actor" in inspect.signature(value).parameters}
    assert acting - {"access.authorize"} == set(MATRIX)
    assert set(public_functions()) - acting <= SERVER_SIDE


def member(scene: Scene, name: str, role: Role | None, *, everywhere: bool = False) -> Actor:
    user = access.add_user(scene.database, scene.ada, name, role if everywhere else None)
    if role is not None and not everywhere:
        access.add_member(scene.database, scene.ada, scene.id, user.id, role)
    return Actor(user_id=user.id, name=name, role=Role.administrator)  # what an actor claims to be does not count


def refused(scene: Scene, name: str, actor: Actor) -> bool:
    try:
        result = MATRIX[name][1](scene, actor)
    except PermissionDenied:
        return True
    except StoreError:
        return False
    return name in FILTERS and result == []


@pytest.mark.parametrize("name", sorted(MATRIX))
def test_lower_roles_are_refused(database: Database, name: str) -> None:
    scene = make_scene(database, images=3)
    scene.ask(1)
    jobs.begin(database, scene.system, scene.id, "ingest", "host")
    need = MATRIX[name][0]
    for role in (None, *Role):
        actor = member(scene, f"member {role}", role, everywhere=name in GLOBAL)
        assert refused(scene, name, actor) == (role is None or role < need), role
    disabled = member(scene, "gone", Role.administrator, everywhere=True)
    scene.database.write(lambda session: session.execute(text("UPDATE users SET disabled_at = 1 WHERE name = 'gone'")))
    assert refused(scene, name, disabled)
    assert refused(scene, name, Actor(user_id=99_999, name="nobody", role=Role.administrator))


def test_a_member_of_one_project_is_nobody_in_another(database: Database) -> None:
    scene, other = make_scene(database), make_scene(database, name="other")
    actor = member(scene, "eve", Role.administrator)
    assert [entry.id for entry in projects.list_projects(database, actor)] == [scene.id]
    with pytest.raises(PermissionDenied):
        claims.claim(database, actor, other.id, 1)
    item = other.pool()[0]
    with pytest.raises(NotFound):
        samples.display_of(database, actor, scene.id, item)
    with pytest.raises(NotFound):
        samples.delete_sample(database, actor, scene.id, item)


def test_an_excluded_member_is_refused(database: Database) -> None:
    scene = make_scene(database)
    scene.ask(1)
    actor = member(scene, "eve", Role.annotator)
    assert len(scene.claim(actor)) == 1
    database.write(lambda session: session.execute(text("UPDATE memberships SET state = 'excluded'")))
    with pytest.raises(PermissionDenied, match="excluded"):
        scene.claim(actor)


def test_people_cannot_take_the_systems_name(database: Database) -> None:
    assert access.system_actor(database) == access.system_actor(database)
    with pytest.raises(StoreError, match="system"):
        access.local_user(database, "borderline")
    access.set_active(database, access.local_user(database, "ada"), access.local_user(database, "bob").user_id, False)
    with pytest.raises(PermissionDenied):
        access.local_user(database, "bob")
    assert [user.active for user in access.users(database, access.local_user(database, "ada"))] == [True, False, True]
