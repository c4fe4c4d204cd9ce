"""Comparisons that somebody asked for on the page: begun or taken up by a command row, answered there at the end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from db import commands
from flows.compare.options import CompareOptions, options_of
from flows.errors import UsageError
from flows.ingest import require_allowed
from flows.locks import file_lock
from flows.processes import RESTARTS_A_MINUTE
from flows.report import Reporter
from flows.settings import Settings
from flows.store import Store

_starts: dict[int, list[float]] = {}
_children: dict[int, subprocess.Popen[bytes]] = {}


def carry_out(store: Store, wish: Mapping[str, Any], reporter: Reporter) -> int:
    """Begin the comparison that was asked for, or go on with the one that is named; return its id.

    Args:
        store: The open store.
        wish: The options by their names, or ``{"comparison_id": ...}``.
        reporter: Receives the progress.

    Raises:
        UsageError, PipelineError: It cannot be as asked.
        Canceled: It was stopped.
    """
    from flows.compare.comparing import Running, begin, go_on

    number = wish.get("comparison_id")
    if number is None:
        options = options_of(wish)
        _require_allowed(store.settings, options)
        number = begin(store, options, reporter).id
    ended = go_on(store, int(number), Running(), reporter)
    if ended.state == "failed":
        raise UsageError(f"some runs could not go on: {ended.note}")
    return ended.id


def _require_allowed(settings: Settings, options: CompareOptions) -> None:
    """Refuse a folder that a page must not name; names of data sets and projects are no folders."""
    if "/" in options.dataset or Path(options.dataset).exists():
        require_allowed(settings, options.dataset)


def lock_of(settings: Settings, command_id: int) -> Path:
    """Return the file that the process of a wish holds a lock on."""
    return settings.run_folder / f"compare-wish-{command_id}.lock"


def start_process(store: Store, command_id: int) -> bool:
    """Start a process of its own for a wish unless one is at it: a comparison takes hours, a round must not wait.

    Returns:
        Whether one was started.
    """
    if command_id in _children and _children[command_id].poll() is None:
        return False
    with file_lock(lock_of(store.settings, command_id), wait=False) as held:
        if not held:  # started from elsewhere
            return False
    if _keeps_ending(store, command_id):
        return False
    log = _log_of(store.settings, command_id)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        _children[command_id] = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "flows.compare", str(command_id)],
            env={**os.environ, **store.settings.environment(), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return True


def _keeps_ending(store: Store, command_id: int) -> bool:
    recent = [at for at in _starts.get(command_id, []) if time.monotonic() - at < 60]
    _starts[command_id] = [*recent, time.monotonic()]
    if len(recent) < RESTARTS_A_MINUTE:
        return False
    said = f"its process keeps ending; do: read {_log_of(store.settings, command_id)}"
    commands.finish(store.database, command_id, "failed", said)
    return True


def _log_of(settings: Settings, command_id: int) -> Path:
    return settings.log_folder / f"compare-wish-{command_id}.log"
