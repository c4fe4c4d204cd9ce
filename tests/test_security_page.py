"""docs/security.md names tests: each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.compile(r"`(?:(?P<file>tests/[\w/]+\.py)::)?(?P<test>test_\w+)`")


def test_every_test_that_the_page_names_is_there() -> None:
    written = {path: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    found = [(entry["file"], entry["test"]) for entry in NAMED.finditer(PAGE)]
    assert len(found) > 40
    missing = [f"{file}::{test}" for file, test in found if f"def {test}(" not in _text(written, file)]
    assert missing == []


def _text(written: dict[Path, str], file: str | None) -> str:
    return written.get(ROOT / file, "") if file else "\n".join(written.values())
