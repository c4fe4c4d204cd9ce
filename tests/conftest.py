"""Fixtures for everybody; each part's own are in modules named here."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.database_fixtures"]


def pytest_configure(config: pytest.Config) -> None:
    """Keep pytest-alembic from collecting by itself, which breaks on pytest 9; tests/db calls its checks."""
    config.option.pytest_alembic_tests_path = "tests/db/no_such_file.py"
