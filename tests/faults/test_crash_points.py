"""A process dies at the moment that the environment names, at the passage that it names, and nowhere else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from db import crash_points

ROOT = Path(__file__).parents[2]
PROGRAM = """
from db.crash_points import reach
for turn in range(3):
    reach("after_commit")
    reach("ranked")
    print(turn, flush=True)
"""


@pytest.mark.parametrize(
    ("crash_at", "printed", "code"),
    [("", "0\n1\n2\n", 0), ("elsewhere", "0\n1\n2\n", 0), ("ranked", "", -signal.SIGKILL),
     ("after_commit:3", "0\n1\n", -signal.SIGKILL)],
)  # fmt: skip
def test_it_dies_where_it_is_told(crash_at: str, printed: str, code: int) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if crash_at:
        environment[crash_points.CRASH_AT] = crash_at
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == (printed, code)


def test_every_name_is_a_moment_of_the_product() -> None:
    code = "\n".join(path.read_text() for folder in ("db", "flows") for path in (ROOT / folder).rglob("*.py"))
    constants = {value: name for name, value in vars(crash_points).items() if name.isupper() and isinstance(value, str)}
    for name in crash_points.NAMES:
        assert f"reach({constants[name]})" in code, name
