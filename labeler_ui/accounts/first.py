"""The first administrator: no account comes with Borderline, so whoever can read the home folder makes the first."""

from __future__ import annotations

import os
from pathlib import Path

from db import invitations
from db.engine import Database

FILE = "first-administrator.txt"


def offer(database: Database, base: str) -> Path | None:
    """Write a one-time link to the home folder unless somebody can administrate; return the file.

    The link itself goes nowhere else: what a server prints ends up in a log.

    Args:
        database: The store; the file goes to its home.
        base: The page's address.
    """
    path = database.home / FILE
    offered = invitations.first_administrator(database)
    if offered is None:
        path.unlink(missing_ok=True)
        return None
    text = (
        f"{base}/join?token={offered.token}\n\n"
        "Open this address once, within 24 hours, to make the first administrator's account.\n"
    )
    fresh = path.with_name(f".{FILE}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
    return path


def forget(home: Path) -> None:
    """Remove the file when its link was used."""
    (home / FILE).unlink(missing_ok=True)
