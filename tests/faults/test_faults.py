"""Every fault of the table, injected a few times into real processes: nothing lost, nothing doubled, files whole."""

from __future__ import annotations

import pytest

from benchmarks.fault_table import FAULTS, run_fault, why_not
from benchmarks.faults import PARTS
from tests.postgresql_cluster import binaries
from tests.support import require

CASES = [
    pytest.param(name, engine, marks=[pytest.mark.postgresql] if engine == "postgresql" else [])
    for name, entry in FAULTS.items()
    for engine in (entry.engines if entry.tested is None else entry.tested)
]


@pytest.mark.timeout(900)  # a crashed server, several processes, on a machine that does other things
@pytest.mark.parametrize(("name", "engine"), CASES)
def test_no_promise_is_broken(name: str, engine: str) -> None:
    entry = FAULTS[name]
    require(engine == "sqlite" or binaries(), "no PostgreSQL binaries; install the package postgresql")
    if reason := why_not(entry, engine):
        pytest.skip(reason)
    row = run_fault(entry, engine, entry.small)
    assert row["injected"] >= entry.small, row
    assert row["kept"], row


def test_every_part_adds_to_the_table() -> None:
    for part in PARTS:
        assert any(entry.run.__module__ == part.__name__ for entry in FAULTS.values()), part.__name__
