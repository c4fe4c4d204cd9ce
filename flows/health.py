"""``borderline healthy ...``: is a service doing its work? For health checks, so it is quick and imports little."""

from __future__ import annotations

import os
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

from flows.errors import FlowError
from flows.settings import Settings

SILENT_SECONDS = 60.0
ANSWER_SECONDS = 5.0


class Unhealthy(FlowError):
    """A service does not do its work; the sentence says what is missing."""


def beat_file(settings: Settings) -> Path:
    """Return the file that this host's worker touches while it works; containers that share a home have their own."""
    return settings.run_folder / f"worker-{socket.gethostname()}.beat"


def beat(settings: Settings) -> None:
    """Say that the worker has just looked into SQL and could start what was due."""
    file = beat_file(settings)
    file.touch(mode=0o600)
    os.utime(file)


def check_worker(settings: Settings) -> str:
    """Return that the worker looked into SQL within the last minute.

    Raises:
        Unhealthy: It did not.
    """
    file = beat_file(settings)
    try:
        age = time.time() - file.stat().st_mtime
    except FileNotFoundError:
        raise Unhealthy(f"expected a worker on this host, got no sign of one in {file.parent}") from None
    if age > SILENT_SECONDS:
        raise Unhealthy(f"expected the worker to look into SQL within {SILENT_SECONDS:.0f} s, got {age:.0f} s ago")
    return f"the worker looked into SQL {max(age, 0):.0f} s ago"


def check_page(settings: Settings) -> str:
    """Return that the labeling page answers.

    Raises:
        Unhealthy: It does not.
    """
    return _check_answer(f"{settings.page_address}/_stcore/health", "the page")


def check_prefect(settings: Settings) -> str:
    """Return that the Prefect server answers and reaches its database.

    Raises:
        Unhealthy: It does not.
    """
    return _check_answer(f"{settings.prefect_environment()['PREFECT_API_URL']}/ready", "the Prefect server")


def _check_answer(url: str, what: str) -> str:
    if not answers(url, ANSWER_SECONDS):
        raise Unhealthy(f"expected {what} to answer at {url}, got no answer")
    return f"{what} answers at {url}"


def answers(url: str, seconds: float = 1.0) -> bool:
    """Tell whether a server of ours answers a GET with 200."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as response:  # noqa: S310 - an address out of our own settings
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def check_database(settings: Settings) -> str:
    """Return that the store is there, has this version's tables and belongs to this home.

    Raises:
        db.errors.StoreError: It is not.
    """
    from db.engine import Database
    from db.homes import recognize

    with Database.open(settings.database_url, home=settings.home, migrate=False) as database:
        return recognize(database).sentence
