"""Fixtures of the login's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from db import access, invitations
from db.records import Role
from labeler_ui import store
from tests.labeler_ui.seed import Seeded, seed
from tests.labeler_ui.team import PASSWORD, make_client


@pytest.fixture
def team(home: Path, monkeypatch: pytest.MonkeyPatch, quick_passwords: None) -> Seeded:
    """A project, and its accounts: ada administrates, bob is an annotator of it, eve is nobody there."""
    seeded = seed(store.database())
    monkeypatch.setenv("BORDERLINE_ACCOUNTS", "accounts")
    made = invitations.first_administrator(seeded.database)
    assert made is not None
    ada = invitations.accept(seeded.database, made.token, "ada", PASSWORD)
    for name, place in (("bob", seeded.project.id), ("eve", None)):
        role = Role.annotator if place else None
        link = invitations.invite(seeded.database, ada, role or Role.viewer, project_id=place)
        person = invitations.accept(seeded.database, link.token, name, PASSWORD)
        if role is None:
            access.set_role(seeded.database, ada, person.user_id, None)
    return seeded


@pytest.fixture
def team_client(team: Seeded) -> Iterator[TestClient]:
    with make_client() as made:
        yield made
