"""Accounts, sessions, invitations and throttles: what a stolen, guessed, old or foreign proof opens (nothing)."""

from __future__ import annotations

import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from db import access, accounts, identities, invitations, passwords, projects, sessions, throttles
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound, PermissionDenied, StoreError, TooManyTries
from db.identities import Identity
from db.records import Actor, Role
from tests.db.scenes import make_scene, scalar

PASSWORD = "a long enough sentence"


@pytest.fixture
def ada(database: Database, quick_passwords: None) -> Actor:
    """The first administrator, made by the one-time token."""
    made = invitations.first_administrator(database)
    assert made is not None
    return invitations.accept(database, made.token, "ada", PASSWORD)


def join(database: Database, ada: Actor, name: str, role: Role = Role.annotator, **more: object) -> Actor:
    made = invitations.invite(database, ada, role, **more)  # type: ignore[arg-type]
    return invitations.accept(database, made.token, name, PASSWORD)


def run(database: Database, statement: str) -> None:
    database.write(lambda session: session.execute(text(statement)))


def test_there_is_no_default_account(database: Database, quick_passwords: None) -> None:
    assert scalar(database, "SELECT count(*) FROM users") == 0
    access.system_actor(database)
    for name in ("borderline", "admin", "administrator", "root"):
        for password in ("", "admin", "password1234", "12345678"):
            with pytest.raises(PermissionDenied, match="not right"):
                accounts.log_in(database, name, password)


def test_the_first_administrator_comes_by_a_token_that_works_once(database: Database, quick_passwords: None) -> None:
    first = invitations.first_administrator(database)
    made = invitations.first_administrator(database)  # the server was started again
    assert first is not None
    assert made is not None
    with pytest.raises(NotFound):
        invitations.look(database, first.token)
    assert invitations.look(database, made.token).first
    ada = invitations.accept(database, made.token, "ada", PASSWORD)
    assert ada.role is Role.administrator
    with pytest.raises(NotFound):
        invitations.accept(database, made.token, "eve", PASSWORD)
    assert invitations.first_administrator(database) is None
    assert accounts.log_in(database, "ada", PASSWORD).user_id == ada.user_id


def test_a_second_first_administrator_is_refused_once_there_is_one(database: Database, quick_passwords: None) -> None:
    made = invitations.first_administrator(database)
    assert made is not None
    identities.recognize(database, Identity(issuer="i", subject="s", name="Ada", email=None), ["s"])
    with pytest.raises(NotFound):
        invitations.accept(database, made.token, "eve", PASSWORD)


def test_the_first_administrator_may_be_who_worked_here_before(database: Database, quick_passwords: None) -> None:
    before = access.local_user(database, "ada")
    made = invitations.first_administrator(database)
    assert made is not None
    assert invitations.accept(database, made.token, "ada", PASSWORD).user_id == before.user_id


def test_an_invitation_takes_no_name_that_is_there(database: Database, ada: Actor) -> None:
    access.local_user(database, "Grace")
    for name in ("ada", "Ada", "ADA", "grace", "borderline"):
        access.system_actor(database)
        with pytest.raises(Conflict, match="taken"):
            join(database, ada, name)


def test_secrets_are_stored_as_hashes_only(database: Database, ada: Actor) -> None:
    made = invitations.invite(database, ada, Role.viewer)
    begun = sessions.start(database, ada.user_id)
    stored = []
    for table in ("users", "sessions", "invitations", "throttles"):
        rows = database.read(lambda session, table=table: session.execute(text(f"SELECT * FROM {table}")).all())
        stored.append(str(rows))
    everything = "".join(stored)
    assert "$argon2id$" in everything
    for secret in (PASSWORD, made.token, begun.key):
        assert secret not in everything
    assert len(made.token) >= 43  # 256 bits
    assert len(begun.key) >= 43


@pytest.mark.parametrize(
    ("name", "password"),
    [("bob", "short"), ("bob", "x" * 1001), ("a name as password", "A Name As Password"), ("bob", "")],
)
def test_a_password_that_cannot_be_one(database: Database, ada: Actor, name: str, password: str) -> None:
    made = invitations.invite(database, ada, Role.annotator)
    with pytest.raises(InvalidInput) as refused:
        invitations.accept(database, made.token, name, password)
    assert not password or password not in str(refused.value)
    invitations.accept(database, made.token, name, PASSWORD)  # the link is not used up by a mistake


def test_a_password_is_the_same_on_every_keyboard(database: Database, ada: Actor) -> None:
    composed, apart = (unicodedata.normalize(form, "Ölmühle am Bächle") for form in ("NFC", "NFD"))
    made = invitations.invite(database, ada, Role.annotator)
    invitations.accept(database, made.token, "bob", apart)
    assert accounts.log_in(database, "bob", composed).name == "bob"


def test_wrong_name_wrong_password_and_disabled_say_the_same(database: Database, ada: Actor) -> None:
    bob = join(database, ada, "bob")
    access.set_active(database, ada, bob.user_id, False)
    access.local_user(database, "nopassword")
    said = []
    for name, password in (("nobody", PASSWORD), ("ada", "wrong" * 4), ("bob", PASSWORD), ("nopassword", PASSWORD)):
        with pytest.raises(PermissionDenied) as refused:
            accounts.log_in(database, name, password)
        said.append(str(refused.value))
    assert set(said) == {accounts.WRONG}


def test_an_unknown_name_takes_as_long_as_a_known_one() -> None:
    stored = passwords.hashed(PASSWORD)

    def shortest(given: str | None) -> float:
        times = []
        for _ in range(5):
            began = time.process_time()
            assert not passwords.matches(given, "another password")
            times.append(time.process_time() - began)
        return min(times)

    known, unknown = shortest(stored), shortest(None)
    assert unknown > known / 3


def test_a_hash_with_old_parameters_is_renewed_at_login(database: Database, ada: Actor) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1).hash(PASSWORD)
    run(database, f"UPDATE users SET password_hash = '{weak}'")
    assert accounts.log_in(database, "ada", PASSWORD).name == "ada"
    kept = database.read(lambda session: session.execute(text("SELECT password_hash FROM users")).scalar_one())
    assert not passwords.outdated(kept)
    assert accounts.log_in(database, "ada", PASSWORD).name == "ada"


def fail(database: Database, name: str, address: str | None = None) -> None:
    with suppress(PermissionDenied):
        accounts.log_in(database, name, "wrong" * 4, address)


def failed_before(database: Database, count: int) -> None:
    run(database, f"UPDATE throttles SET failures = {count}, blocked_until = 0")


def test_failures_slow_the_next_tries_down_and_a_success_ends_it(database: Database, ada: Actor) -> None:
    for _ in range(5):
        fail(database, "ada")  # each is heard
    failed_before(database, 12)
    fail(database, "ADA ")  # the same name, however it is typed
    with pytest.raises(TooManyTries) as refused:
        accounts.log_in(database, "ada", PASSWORD)  # the right password does not help now
    assert 60 < refused.value.seconds <= 128
    run(database, "UPDATE throttles SET blocked_until = 0")
    accounts.log_in(database, "ada", PASSWORD)
    assert scalar(database, "SELECT max(failures) FROM throttles") == 0


def test_an_unknown_name_is_slowed_down_like_a_known_one(database: Database, quick_passwords: None) -> None:
    fail(database, "nobody")
    failed_before(database, 12)
    fail(database, "nobody")
    with pytest.raises(TooManyTries):
        accounts.log_in(database, "nobody", PASSWORD)


def test_one_address_cannot_try_many_names(database: Database, ada: Actor) -> None:
    fail(database, "name 1", "2001:db8::1")
    failed_before(database, throttles.FREE_TRIES["address"] + 7)
    fail(database, "name 2", "2001:db8::1")
    with pytest.raises(TooManyTries):
        accounts.log_in(database, "ada", PASSWORD, "2001:db8::2")  # the same network
    assert accounts.log_in(database, "ada", PASSWORD, "192.0.2.9").name == "ada"


def test_a_success_from_an_address_takes_no_failures_away(database: Database, ada: Actor) -> None:
    """Else an account of one's own would buy endless tries at the others."""
    for number in range(3):
        fail(database, f"name {number}", "192.0.2.1")
    accounts.log_in(database, "ada", PASSWORD, "192.0.2.1")
    assert scalar(database, "SELECT failures FROM throttles WHERE key LIKE 'address:%'") == 3


def test_many_tries_at_once_are_counted_one_by_one(database: Database, ada: Actor) -> None:
    fail(database, "ada")
    failed_before(database, 4 + 8)  # the next one makes all others wait for minutes

    def attempt(_: int) -> str:
        try:
            accounts.log_in(database, "ada", "wrong" * 4)
        except StoreError as error:
            return type(error).__name__
        return "in"

    with ThreadPoolExecutor(8) as threads:
        said = list(threads.map(attempt, range(16)))
    assert sorted(said) == ["PermissionDenied"] + ["TooManyTries"] * 15


def test_old_failures_are_forgotten(database: Database, quick_passwords: None) -> None:
    fail(database, "nobody")
    run(database, "UPDATE throttles SET updated_at = 1")
    fail(database, "somebody")
    assert scalar(database, "SELECT count(*) FROM throttles") == 1


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
