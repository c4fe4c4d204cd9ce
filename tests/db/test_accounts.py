"""Accounts and throttles: no default, nothing stored in clear, nothing guessed, nothing told."""

from __future__ import annotations

import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from db import access, accounts, identities, invitations, passwords, sessions, throttles
from db.engine import Database
from db.errors import Conflict, InvalidInput, NotFound, PermissionDenied, StoreError, TooManyTries
from db.identities import Identity
from db.records import Actor, Role
from tests.db.people import PASSWORD, join, run
from tests.db.scenes import scalar


@pytest.fixture
def ada(first_administrator: Actor) -> Actor:
    return first_administrator


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


def test_many_tries_at_once_are_counted_one_by_one(
    database: Database, ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, real = [], passwords.matches
    fail(database, "ada")
    monkeypatch.setattr(passwords, "matches", lambda *given: heard.append(given) or real(*given))
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
    assert len(heard) == 1  # the others' passwords were not even looked at


def test_old_failures_are_forgotten(database: Database, quick_passwords: None) -> None:
    fail(database, "nobody")
    run(database, "UPDATE throttles SET updated_at = 1")
    fail(database, "somebody")
    assert scalar(database, "SELECT count(*) FROM throttles") == 1
