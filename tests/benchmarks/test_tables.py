"""Tables that benchmarks write into the documentation go where they belong, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.common import write_table


def test_a_table_replaces_the_one_before(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- faults -->\n| old |\n<!-- end -->\nafter\n<!-- soak -->\n<!-- end -->\n")
    write_table(page, "faults", [{"fault": "x", "bad_hashes": 0, "injected": 1234}])
    table = "| fault | bad hashes | injected |\n|---|---|---|\n| x | 0 | 1,234 |\n"
    expected = f"before\n<!-- faults -->\n{table}<!-- end -->\nafter\n<!-- soak -->\n<!-- end -->\n"
    assert page.read_text() == expected
    write_table(page, "faults", [{"fault": "x", "bad_hashes": 0, "injected": 1234}])
    assert page.read_text() == expected


def test_a_page_without_a_place_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- faults -->\nno end\n")
    with pytest.raises(ValueError, match="add them"):
        write_table(page, "faults", [{"fault": "x"}])
    assert page.read_text() == "<!-- faults -->\nno end\n"
