"""Fixtures for everybody; each part's own are in modules named here."""

from __future__ import annotations

import os

# Small tensors on two cores: a second thread only waits for the first. Set before anything loads torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("RAY_worker_niceness", "0")  # else Ray's workers wait for every other process of the tests

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser import launched

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest_plugins = ["tests.database_fixtures"]


def pytest_configure(config: pytest.Config) -> None:
    """Keep pytest-alembic from collecting by itself, which breaks on pytest 9; tests/db calls its checks."""
    config.option.pytest_alembic_tests_path = "tests/db/no_such_file.py"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One real browser a module: two at once are refused by Playwright, and asyncio does not run beside an open one."""
    with launched() as opened:
        yield opened
