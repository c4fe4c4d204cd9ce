"""What tests share: real data when it is there, a failure instead of a skip in CI.

A runner that has no real data says so, with BORDERLINE_TEST_DATA=none: those tests are then skipped there, too. That it
was only forgotten is still a failure.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

NO_DATA = "none"


def require(condition: object, reason: str) -> None:
    """Skip the test with a reason where a part is missing; in CI a missing part is a failure."""
    if condition:
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI needs this: {reason}")
    pytest.skip(reason)


def test_data(*parts: str) -> Path:
    """Return a path below BORDERLINE_TEST_DATA, or skip (fail in CI, unless it says that there is none)."""
    root = os.environ.get("BORDERLINE_TEST_DATA", "")
    if root == NO_DATA:
        pytest.skip("this machine has no real data: BORDERLINE_TEST_DATA=none")
    require(root, "BORDERLINE_TEST_DATA is not set; point it at a folder with mnist/, quickdraw/ and clothing-small/")
    path = Path(root).joinpath(*parts)
    require(path.exists(), f"no {'/'.join(parts)} below BORDERLINE_TEST_DATA")
    return path


test_data.__test__ = False
