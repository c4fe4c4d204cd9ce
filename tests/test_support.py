"""What is missing in CI is a failure, unless the machine says that it has no real data."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import NO_DATA
from tests.support import test_data as real_data


def test_a_machine_that_says_it_has_no_data_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("BORDERLINE_TEST_DATA", NO_DATA)
    with pytest.raises(pytest.skip.Exception, match="no real data"):
        real_data("mnist")


def test_data_that_was_forgotten_is_a_failure_in_ci(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CI", "true")
    for said in ("", str(tmp_path)):
        monkeypatch.setenv("BORDERLINE_TEST_DATA", said)
        with pytest.raises(pytest.fail.Exception, match="CI needs this"):
            real_data("mnist")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception):
        real_data("mnist")
