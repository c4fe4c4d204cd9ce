"""The process of a comparison that was asked for on the page: ``python -m flows.compare COMMAND``."""

from __future__ import annotations

import os
import sys

from db import commands, logs
from flows.answering import answering
from flows.compare.wishes import carry_out, lock_of
from flows.locks import file_lock
from flows.report import SilentReporter
from flows.settings import Settings
from flows.store import open_store

NICE = 10  # people who label come first


def main(command_id: int) -> None:
    """Carry out the wish, unless another process is at it or it has its answer."""
    settings = Settings()
    logs.configure()
    os.nice(NICE)
    with file_lock(lock_of(settings, command_id), wait=False) as held, open_store(settings, system=True) as store:
        wish = next((entry for entry in commands.pending(store.database) if entry.id == command_id), None)
        if not held or wish is None:
            return
        with answering(store, command_id) as said:
            said.append(f"Comparison {carry_out(store, wish.payload, SilentReporter())} is done.")


if __name__ == "__main__":
    main(int(sys.argv[1]))
