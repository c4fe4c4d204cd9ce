"""Sessions, invitations and identities: what an old, ended or foreign proof opens (nothing)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from db import access, accounts, identities, invitations, projects, sessions
from db.engine import Database
from db.errors import Conflict, NotFound, PermissionDenied
from db.identities import Identity
from db.records import Actor, Role
from tests.db.people import PASSWORD, join, run
from tests.db.scenes import make_scene, scalar


@pytest.fixture
def ada(first_administrator: Actor) -> Actor:
    return first_administrator


def test_a_session_is_live_until_it_is_ended(database: Database, ada: Actor) -> None:
    begun, other = sessions.start(database, ada.user_id), sessions.start(database, ada.user_id)
    assert begun.key != other.key
    found = sessions.look_up(database, begun.key)
    assert found is not None
    assert (found.actor.user_id, found.live) == (ada.user_id, True)
    assert sessions.caller(database, ada.user_id, begun.id).name == "ada"
    sessions.end(database, begun.key)
    over = sessions.look_up(database, begun.key)
    assert over is not None
    assert not over.live
    with pytest.raises(PermissionDenied, match="ended"):
        sessions.caller(database, ada.user_id, begun.id)
    assert sessions.caller(database, ada.user_id, other.id).name == "ada"
    for wrong in (None, "", "x", begun.key + "x", sessions.hash_of(begun.key)):
        assert sessions.look_up(database, wrong) is None


def test_a_session_is_nobody_elses(database: Database, ada: Actor) -> None:
    bob = join(database, ada, "bob")
    begun = sessions.start(database, bob.user_id)
    with pytest.raises(PermissionDenied):
        sessions.caller(database, ada.user_id, begun.id)


@pytest.mark.parametrize("column", ["seen_at", "expires_at"])
def test_a_session_ends_by_itself(database: Database, ada: Actor, column: str) -> None:
    begun = sessions.start(database, ada.user_id)
    hours = 13 if column == "seen_at" else 24 * 7 + 1
    run(database, f"UPDATE sessions SET {column} = {column} - {hours * 3_600_000}")
    found = sessions.look_up(database, begun.key)
    assert found is not None
    assert not found.live
    with pytest.raises(PermissionDenied):
        sessions.caller(database, ada.user_id, begun.id)


def test_being_here_keeps_a_session_awake_without_a_write_each_time(database: Database, ada: Actor) -> None:
    begun = sessions.start(database, ada.user_id)
    seen = scalar(database, "SELECT seen_at FROM sessions")
    sessions.look_up(database, begun.key)
    assert scalar(database, "SELECT seen_at FROM sessions") == seen
    run(database, "UPDATE sessions SET seen_at = seen_at - 3600000")
    sessions.caller(database, ada.user_id, begun.id)
    assert scalar(database, "SELECT seen_at FROM sessions") >= seen


def test_a_disabled_user_is_out_at_once_and_stays_out(database: Database, ada: Actor) -> None:
    bob = join(database, ada, "bob")
    begun = sessions.start(database, bob.user_id)
    access.set_active(database, ada, bob.user_id, False)
    with pytest.raises(PermissionDenied):
        sessions.caller(database, bob.user_id, begun.id)
    with pytest.raises(PermissionDenied):
        sessions.start(database, bob.user_id)
    access.set_active(database, ada, bob.user_id, True)
    with pytest.raises(PermissionDenied):
        sessions.caller(database, bob.user_id, begun.id)  # the old session does not come back


def test_a_new_password_ends_every_session(database: Database, ada: Actor) -> None:
    bob = join(database, ada, "bob")
    begun = sessions.start(database, bob.user_id)
    made = invitations.new_password(database, ada, bob.user_id)
    assert invitations.look(database, made.token).for_user == "bob"
    invitations.accept(database, made.token, "ada", "another long sentence")  # the name is not theirs to choose
    assert not sessions.look_up(database, begun.key).live
    with pytest.raises(PermissionDenied):
        accounts.log_in(database, "bob", PASSWORD)
    assert accounts.log_in(database, "bob", "another long sentence").user_id == bob.user_id
    begun = sessions.start(database, bob.user_id)
    accounts.change_password(database, bob.user_id, "another long sentence", PASSWORD)
    assert not sessions.look_up(database, begun.key).live
    with pytest.raises(PermissionDenied):
        accounts.change_password(database, bob.user_id, "wrong" * 4, "another long sentence")


def test_an_administrator_ends_sessions(database: Database, ada: Actor) -> None:
    bob = join(database, ada, "bob")
    begun = sessions.start(database, bob.user_id)
    sessions.start(database, bob.user_id)
    assert {account.user.name: account.sessions for account in accounts.list_accounts(database, ada)}["bob"] == 2
    assert sessions.end_all(database, ada, bob.user_id) == 2
    assert not sessions.look_up(database, begun.key).live


def test_an_invitation_gives_its_role_and_nothing_more(database: Database, ada: Actor) -> None:
    scene, other = make_scene(database), make_scene(database, name="other")
    bob = join(database, ada, "bob", Role.reviewer, project_id=scene.id)
    assert access.role_in(database, bob, scene.id) is Role.reviewer
    assert bob.role is None
    with pytest.raises(PermissionDenied):
        access.role_in(database, bob, other.id)
    assert [entry.id for entry in projects.list_projects(database, bob)] == [scene.id]


def test_a_projects_administrator_invites_to_that_project_only(database: Database, ada: Actor) -> None:
    scene, other = make_scene(database), make_scene(database, name="other")
    bob = join(database, ada, "bob", Role.administrator, project_id=scene.id)
    carol = join(database, bob, "carol", Role.annotator, project_id=scene.id)
    assert access.role_in(database, carol, scene.id) is Role.annotator
    for place in (other.id, None):
        with pytest.raises(PermissionDenied):
            invitations.invite(database, bob, Role.viewer, project_id=place)


@pytest.mark.parametrize("end", ["withdraw", "late", "demoted", "used"])
def test_an_invitation_that_is_over(database: Database, ada: Actor, end: str) -> None:
    bob = join(database, ada, "bob", Role.administrator)
    made = invitations.invite(database, bob, Role.administrator)
    if end == "withdraw":
        invitations.withdraw(database, ada, made.id)
    elif end == "late":
        run(database, "UPDATE invitations SET expires_at = 1")
    elif end == "demoted":
        access.set_role(database, ada, bob.user_id, Role.viewer)
    else:
        invitations.accept(database, made.token, "carol", PASSWORD)
    for use in (lambda: invitations.look(database, made.token),
                lambda: invitations.accept(database, made.token, "eve", PASSWORD)):  # fmt: skip
        with pytest.raises(NotFound, match="ask for a new one"):
            use()
    if end != "demoted":
        assert invitations.open_invitations(database, ada) == []


def test_an_invitation_is_used_once_by_two_at_once(database: Database, ada: Actor) -> None:
    made = invitations.invite(database, ada, Role.annotator)

    def take(name: str) -> bool:
        try:
            invitations.accept(database, made.token, name, PASSWORD)
        except NotFound:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(take, ["a", "b", "c", "d"])) == 1
    assert scalar(database, "SELECT count(*) FROM users") == 2


def test_the_last_administrator_stays(database: Database, ada: Actor) -> None:
    access.local_user(database, "nobody can log in as me")  # does not count
    for change in (lambda: access.set_active(database, ada, ada.user_id, False),
                   lambda: access.set_role(database, ada, ada.user_id, Role.reviewer),
                   lambda: access.set_role(database, ada, ada.user_id, None)):  # fmt: skip
        with pytest.raises(Conflict, match="another active administrator"):
            change()
    bob = join(database, ada, "bob", Role.administrator)
    assert access.set_role(database, bob, ada.user_id, Role.viewer).role is Role.viewer
    with pytest.raises(Conflict):
        access.set_active(database, bob, bob.user_id, False)


def known(subject: str = "s1", **more: object) -> Identity:
    return Identity(**{"issuer": "https://id.example", "subject": subject, "name": "Ada", "email": None, **more})


def test_a_providers_person_is_known_by_subject_never_by_name_or_address(database: Database, ada: Actor) -> None:
    found = identities.recognize(database, known(name="ada", email="ada@example.org"))
    assert found.user_id != ada.user_id
    assert (found.name, found.role) == ("ada 2", None)
    assert identities.recognize(database, known(name="Renamed", email="new@example.org")).user_id == found.user_id
    elsewhere = identities.recognize(database, known(issuer="https://other.example", name="ada"))
    assert elsewhere.user_id != found.user_id
    access.set_active(database, ada, found.user_id, False)
    with pytest.raises(PermissionDenied, match="disabled"):
        identities.recognize(database, known())


@pytest.mark.parametrize("listed", ["s1", "Boss@Example.org"])
def test_listed_people_become_administrators(database: Database, listed: str) -> None:
    assert identities.recognize(database, known("s0", email="other@example.org"), [listed]).role is None
    found = identities.recognize(database, known(email="boss@example.org"), [listed])
    assert found.role is Role.administrator


def test_an_invitation_waits_for_a_verified_address(database: Database, ada: Actor) -> None:
    scene = make_scene(database)
    invitations.invite(database, ada, Role.reviewer, project_id=scene.id, name="Bob@Example.org")
    eve = identities.recognize(database, known("s2", name="bob@example.org"))  # a name is no verified address
    with pytest.raises(PermissionDenied):
        access.role_in(database, eve, scene.id)
    bob = identities.recognize(database, known("s3", email="bob@example.org"))
    assert access.role_in(database, bob, scene.id) is Role.reviewer
    late = identities.recognize(database, known("s4", email="bob@example.org"))
    with pytest.raises(PermissionDenied):
        access.role_in(database, late, scene.id)
