"""The fault table: each fault injected into real processes, so many times, and what became of the answers.

Claim: whatever is killed, cut, filled up, stopped or damaged, no acknowledged answer is lost, none counts twice, no
query has two people on a slot, every file has its row's hash, events rebuild the labels, and a round that was
interrupted ends as one that was not. The control run, which commits without waiting for the disk, must lose answers.
`--only PART` runs the faults whose names contain it; `--times N` injects each N times; `--docs FILE` writes the table
into the documentation.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything loads torch: children share two cores

from benchmarks import fault_clock, fault_disk, fault_files, fault_network, fault_page, fault_rounds, fault_store
from benchmarks.common import arguments, machine, report, write_table
from benchmarks.fault_table import COLUMNS, FAULTS, run_fault, why_not

PARTS = (fault_store, fault_clock, fault_disk, fault_network, fault_rounds, fault_files, fault_page)


def main() -> None:
    """Run the table."""
    given = arguments(__doc__, engines="sqlite,postgresql", only="", times=0, docs="")
    rows, skipped = [], []
    for entry in FAULTS.values():
        for engine in entry.engines:
            if engine not in given.engines.split(",") or given.only not in entry.name:
                continue
            if reason := why_not(entry, engine):
                skipped.append(f"{entry.name} on {engine}: {reason}")
                continue
            row = run_fault(entry, engine, times_of(entry, given))
            print(row, flush=True)
            rows.append(row)
            write(rows, skipped, given)
    path, given.json = given.json, None
    report("Faults", [{name: row[name] for name in (*COLUMNS, "kept")} for row in rows], given, skipped=skipped)
    given.json = path
    if given.docs:
        write_table(Path(given.docs), "faults", [{name: row[name] for name in COLUMNS} for row in rows])
    if broken := [row["fault"] for row in rows if not row["kept"]]:
        sys.exit(f"a promise was broken, or the control lost nothing: {'; '.join(broken)}")


def times_of(entry: Any, given: Namespace) -> int:
    """Return how often a fault is injected."""
    return int(given.times or (entry.small if given.quick else entry.count))


def write(rows: list[dict[str, Any]], skipped: list[str], given: Namespace) -> None:
    """Write the rows so far: the whole table takes a while."""
    if given.json:
        given.json.write_text(json.dumps({"rows": rows, "skipped": skipped, "machine": machine()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
