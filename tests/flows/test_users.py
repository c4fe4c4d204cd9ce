"""`borderline user`: invite, roles, disable; links are printed once and nothing is written for a wrong name."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from db import access, invitations
from db.engine import Database
from db.records import Role
from flows.settings import Settings
from tests.flows.conftest import Said
from tests.flows.test_cli_errors import refuse

Run = Callable[..., Said]
PASSWORD = "a long enough sentence"


def join(settings: Settings, link: str, name: str) -> None:
    with Database.open(None, home=settings.home) as database:
        invitations.accept(database, link.strip().partition("token=")[2], name, PASSWORD)


def people(run: Run) -> dict[str, dict]:
    return {entry["user"]["name"]: entry for entry in json.loads(run("user", "list", "--json").out)}


def test_invite_change_and_disable(
    run: Run, settings: Settings, quick_passwords: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("project", "create", "birds", "--classes", "robin,wren").code == 0
    monkeypatch.setenv("BORDERLINE_PUBLIC_URL", "https://labels.example.org/")
    said = run("user", "invite", "--role", "reviewer", "--project", "birds")
    assert said.out.startswith("https://labels.example.org/join?token=")
    join(settings, said.out, "grace")
    found = people(run)["grace"]
    assert found["has_password"]
    assert found["memberships"] == [["birds", Role.reviewer, "active"]]
    assert "grace" in run("user", "list").out
    assert run("user", "role", "grace", "annotator", "--project", "birds").code == 0
    assert run("user", "role", "grace", "viewer").code == 0
    assert people(run)["grace"]["memberships"] == [["birds", Role.annotator, "active"]]
    assert people(run)["grace"]["user"]["role"] == Role.viewer
    assert "join?token=" in run("user", "password", "grace").out
    assert run("user", "disable", "grace").code == 0
    assert not people(run)["grace"]["user"]["active"]
    assert run("user", "enable", "grace").code == 0
    assert people(run)["grace"]["user"]["active"]


def test_wrong_names_and_the_last_administrator(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BORDERLINE_USER", "ada")
    refuse(run("user", "disable", "nobody"), "nobody", "user list")
    refuse(run("user", "role", "ada", "viewer"), "another active administrator")
    refuse(run("user", "invite", "--project", "brids"), "brids")
    refuse(run("user", "role", "ada", "none", "--project", "x"), "none")
    monkeypatch.setenv("BORDERLINE_ACCOUNTS", "oidc")
    refuse(run("user", "invite"), "--name")


def test_a_provider_needs_an_address_not_a_link(run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BORDERLINE_ACCOUNTS", "oidc")
    said = run("user", "invite", "--name", "grace@example.org", "--role", "annotator")
    assert "from the first login on" in said.out
    assert "token" not in said.out
    with Database.open(None, home=settings.home) as database:
        [waiting] = invitations.open_invitations(database, access.system_actor(database))
    assert (waiting.name, waiting.role) == ("grace@example.org", Role.annotator)
