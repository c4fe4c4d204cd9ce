"""docs/security.md names tests; each of them has to be there, or the table is only words."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"`(?:(tests/\S+\.py)::)?(test_\w+)`")


def test_every_test_that_the_table_names_is_there() -> None:
    lines = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").splitlines()
    missing, found = [], 0
    for line in lines:
        file = ""
        for path, name in NAMED.findall(line):
            file, found = path or file, found + 1
            if not file or f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8"):
                missing.append(f"{file}::{name}")
    assert missing == []
    assert found > 20
