"""Finds what crashes and killed work left behind below the home folder, and removes it when told to.

A file that any row names is never touched, nor one that is young, nor anything of a project that is being worked on,
nor anything outside of the two folders that Borderline fills itself.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from db import commands, inspection
from db.engine import Database
from db.inspection import ProjectSpace
from flows.locks import files_alone
from flows.store import Store

HOUR = 3600.0
CHECKPOINT_AGE = 24 * HOUR  # training that was killed goes on from it
# What is in these has a row, or was left by a process that died before it wrote one. Not among them: embedders, sheets,
# comparisons and exports, whose files have no rows of their own.
NAMED_FOLDERS = ("shards", "originals", "models", "copies", "pseudo_labels", "pictures", "synthetic")
_UNNAMED_BELOW = ("synthetic/sheets",)


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A file that nothing needs any more.

    Attributes:
        path: Where it is.
        size: Bytes.
        why: What it is, in words.
    """

    path: Path
    size: int
    why: str


def leftovers(store: Store, older_than: float = HOUR) -> list[Leftover]:
    """Return the files below the home folder that no row names and nobody works on.

    Args:
        store: The open store.
        older_than: Seconds since a file was last written.
    """
    home = store.settings.home
    found = [*_of_projects(store, older_than), *_of_inbox(store, home / "inbox", older_than)]
    return sorted(found, key=lambda one: one.path)


def remove(store: Store, older_than: float = HOUR) -> list[Leftover]:
    """Remove them, looked for anew while nothing else is at work; return what was removed.

    Raises:
        AlreadyRunning: Work or a backup is under way.
    """
    with files_alone(store):
        found = leftovers(store, older_than)
        for one in found:
            one.path.unlink(missing_ok=True)
            if one.path.is_relative_to(store.settings.home / "inbox"):
                with suppress(OSError):  # it holds more
                    one.path.parent.rmdir()
    return found


def unnamed_below(database: Database, project: ProjectSpace) -> Iterator[Path]:
    """Yield the files of a project's folders that no row names and that have no business there, of whatever age."""
    root = database.home / "projects" / str(project.id)
    there = list(_files_below(root))  # before the rows: one that is written meanwhile protects its file
    named = inspection.named_files(database, project.id)
    for path in there:
        if path.relative_to(database.home).as_posix() not in named and _is_leftover(path.relative_to(root)):
            yield path


def _is_leftover(inside: Path) -> bool:
    """Whether a file without a row has no business in its place: caches and sheets are there without any."""
    unfinished = inside.name.startswith(".") and inside.suffix == ".tmp"
    with_rows = inside.parts[0] in NAMED_FOLDERS and not inside.as_posix().startswith(_UNNAMED_BELOW)
    return unfinished or (with_rows and len(inside.parts) > 1)


def _of_projects(store: Store, older_than: float) -> Iterator[Leftover]:
    for project in inspection.projects(store.database):
        for path in unnamed_below(store.database, project) if project.quiet else ():
            checkpoint = path.suffix == ".checkpoint"
            why = "a checkpoint of training that ended" if checkpoint else "no row names it"
            yield from _if_old(path, CHECKPOINT_AGE if checkpoint else older_than, why)


def _of_inbox(store: Store, root: Path, older_than: float) -> Iterator[Leftover]:
    """Uploads whose wish was answered, or never written."""
    busy = {project.id for project in inspection.projects(store.database) if not project.quiet}
    waiting = [Path(str(one.payload.get("source", ""))) for one in commands.pending(store.database, limit=100_000)]
    for path in _files_below(root):
        if path.relative_to(root).parts[0] in map(str, busy) or any(path.is_relative_to(one) for one in waiting):
            continue
        yield from _if_old(path, older_than, "an upload that was read, or whose wish failed")


def _if_old(path: Path, older_than: float, why: str) -> Iterator[Leftover]:
    with suppress(FileNotFoundError):
        found = path.lstat()
        if time.time() - found.st_mtime >= older_than:
            yield Leftover(path=path, size=found.st_size, why=why)


def _files_below(folder: Path) -> Iterator[Path]:
    """Plain files; links are neither followed nor given, so that nothing outside is ever reached."""
    for parent, _, names in os.walk(folder, followlinks=False):
        for name in names:
            path = Path(parent, name)
            with suppress(FileNotFoundError):  # it was just finished under another name
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path


def total(found: Sequence[Leftover]) -> int:
    """Return the bytes of leftovers."""
    return sum(one.size for one in found)
