"""Fixtures of the store's tests alone."""

from __future__ import annotations

import pytest

from db import invitations
from db.engine import Database
from db.records import Actor
from tests.db.people import PASSWORD


@pytest.fixture
def first_administrator(database: Database, quick_passwords: None) -> Actor:
    """'ada', made by the one-time token."""
    made = invitations.first_administrator(database)
    assert made is not None
    return invitations.accept(database, made.token, "ada", PASSWORD)
