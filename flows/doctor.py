"""Looks the whole installation over and says, line by line, what is in order and what to do about what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from db.engine import Database
from db.errors import StoreError
from flows.settings import Settings

Level = Literal["ok", "warn", "problem"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line.

    Attributes:
        level: ``problem`` endangers answers or work and makes the command fail; ``warn`` can wait.
        what: What was looked at.
        found: What is there.
        do: What to do about it; empty when it is in order.
    """

    level: Level
    what: str
    found: str
    do: str = ""


def finding(what: str, found: str, bad: Level | None = None, do: str = "") -> Finding:
    """Return a line: in order, unless `bad` says how bad it is and `do` what helps."""
    return Finding(level=bad or "ok", what=what, found=found, do=do if bad else "")


def examine(settings: Settings, *, deep: bool = False, say: Callable[[str], None] = lambda _: None) -> list[Finding]:
    """Look at the store, its files, the backups and the machine; nothing is changed.

    Args:
        settings: Whose home folder and database.
        deep: Read every file and compare its hash; ask torch for the GPU.
        say: Called with what is looked at next.
    """
    found = list(_of_store(settings, deep, say))
    say("the machine")
    from flows import doctor_machine

    return [*found, *doctor_machine.examine(settings, deep=deep)]


def _of_store(settings: Settings, deep: bool, say: Callable[[str], None]) -> Iterator[Finding]:
    say("the database")
    if not settings.home.is_dir():
        yield finding("home folder", f"none at {settings.home}", "problem", "set BORDERLINE_HOME, or run borderline up")
        return
    try:
        database = Database.open(settings.database_url, home=settings.home, migrate=False)
    except StoreError as error:
        yield finding("database", str(error), "problem", "start or upgrade it first; the rest cannot be looked at")
        return
    from flows import doctor_files, doctor_store

    with database:
        yield from doctor_store.examine(database)
        say("the files")
        yield from doctor_files.examine(database, settings, deep=deep)


def failed(found: list[Finding]) -> bool:
    """Tell whether anything is a problem."""
    return any(one.level == "problem" for one in found)
