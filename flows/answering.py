"""Tells the person who left a wish on the page what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from db import commands
from db.errors import StoreBusy
from flows.errors import AlreadyRunning
from flows.jobs import describe
from flows.store import Store


@contextmanager
def answering(store: Store, command_id: int | None) -> Iterator[list[str]]:
    """Tell the person who gave the command on the page what came of it: the lines that the block appends."""
    lines: list[str] = []
    try:
        yield lines
    except (AlreadyRunning, StoreBusy):  # it stays pending and is taken up again
        raise
    except Exception as error:
        if command_id is not None:
            commands.finish(store.database, command_id, "failed", describe(error))
        raise
    if command_id is not None:
        commands.finish(store.database, command_id, "done", "\n".join(lines))
