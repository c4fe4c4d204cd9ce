"""Who acts in a terminal."""

from __future__ import annotations

import pytest

from db.access import SYSTEM_NAME
from flows.store import person_name


def test_whoever_works_as_the_services_user_is_a_person_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The services' user is named as the system is, which no person may be: every command would be refused."""
    monkeypatch.delenv("BORDERLINE_USER", raising=False)
    for login, name in ((SYSTEM_NAME, "operator"), ("ada", "ada")):
        monkeypatch.setattr("getpass.getuser", lambda login=login: login)
        assert person_name() == name
    monkeypatch.setenv("BORDERLINE_USER", "grace")
    assert person_name() == "grace"
