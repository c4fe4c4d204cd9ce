"""A comparison in a process of its own, for tests that kill it."""

from __future__ import annotations

import sys
from pathlib import Path

from flows.compare.comparing import Running, begin, go_on
from flows.report import SilentReporter
from flows.settings import Settings
from flows.store import open_store
from tests.flows.compare.conftest import few_digits, tiny


def main(home: str, workers: int) -> None:
    with open_store(Settings(home=Path(home), device="cpu"), system=True) as store:
        few_digits(store)
        found = begin(store, tiny(), SilentReporter())
        go_on(store, found.id, Running(workers=workers), SilentReporter())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
