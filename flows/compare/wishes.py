"""Comparisons that somebody asked for on the page: begun or taken up by a command row, answered there at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from db import commands
from flows.compare.options import CompareOptions, options_of
from flows.errors import UsageError
from flows.locks import file_lock
from flows.page_sources import require_allowed
from flows.processes import Service
from flows.report import Reporter
from flows.settings import Settings
from flows.store import Store

_services: dict[Path, Service] = {}  # by the lock file of the wish


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
    service = service_of(store.settings, command_id)
    if service.is_running:
        return False
    with file_lock(lock_of(store.settings, command_id), wait=False) as held:
        if not held:  # started from elsewhere
            return False
    if service.keeps_ending:
        said = f"its process keeps ending; do: read {service.log}"
        commands.finish(store.database, command_id, "failed", said)
        return False
    service.start()
    return True


def service_of(settings: Settings, command_id: int) -> Service:
    """Return the process of a wish, started or not, as this process knows it."""
    lock = lock_of(settings, command_id)
    if lock not in _services:
        name = f"compare-wish-{command_id}"
        _services[lock] = Service(
            name=name,
            command=[sys.executable, "-m", "flows.compare", str(command_id)],
            environment={**os.environ, **settings.environment(), "PYTHONUNBUFFERED": "1"},
            log=settings.log_folder / f"{name}.log",
        )
    return _services[lock]
