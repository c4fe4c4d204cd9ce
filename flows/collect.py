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
    found = [*_of_projects(store, home / "projects", older_than), *_of_inbox(store, home / "inbox", older_than)]
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
        _remove_empty(store.settings.home / "inbox", depth=2)
    return found


def unnamed_below(database: Database, project: ProjectSpace) -> Iterator[Path]:
    """Yield the files of a project's folders that no row names, of whatever age."""
    home = database.home
    root = home / "projects" / str(project.id)
    named = inspection.named_files(database, project.id)
    for kind in NAMED_FOLDERS:
        for path, _ in _files_below(root / kind):
            inside = path.relative_to(root).as_posix()
            if path.relative_to(home).as_posix() not in named and not inside.startswith(_UNNAMED_BELOW):
                yield path


def _of_projects(store: Store, root: Path, older_than: float) -> Iterator[Leftover]:
    """Files first, rows after: a row that is written in between still protects its file."""
    if not root.is_dir():
        return
    seen = dict(_files_below(root))
    for project in inspection.projects(store.database):
        if not project.quiet:
            continue
        for path in unnamed_below(store.database, project):
            if path in seen:
                checkpoint = path.suffix == ".checkpoint"
                why = "a checkpoint of training that ended" if checkpoint else "no row names it"
                yield from _if_old(path, seen[path], CHECKPOINT_AGE if checkpoint else older_than, why)
        for path in _temporary(seen, root / str(project.id)):
            yield from _if_old(path, seen[path], older_than, "a file that was never finished")


def _temporary(seen: dict[Path, os.stat_result], folder: Path) -> Iterator[Path]:
    """Files of `pipeline.files.atomic_write` in folders whose other files have no rows."""
    for path in seen:
        if path.is_relative_to(folder) and path.name.startswith(".") and path.suffix == ".tmp":
            inside = path.relative_to(folder)
            if inside.parts[0] not in NAMED_FOLDERS or inside.as_posix().startswith(_UNNAMED_BELOW):
                yield path


def _of_inbox(store: Store, root: Path, older_than: float) -> Iterator[Leftover]:
    """Uploads whose wish was answered, or never written."""
    busy = {project.id for project in inspection.projects(store.database) if not project.quiet}
    waiting = [Path(str(one.payload.get("source", ""))) for one in commands.pending(store.database, limit=100_000)]
    for path, found in _files_below(root):
        if path.relative_to(root).parts[0] in map(str, busy) or any(path.is_relative_to(one) for one in waiting):
            continue
        yield from _if_old(path, found, older_than, "an upload that was read, or whose wish failed")


def _if_old(path: Path, found: os.stat_result, older_than: float, why: str) -> Iterator[Leftover]:
    if time.time() - found.st_mtime >= older_than:
        yield Leftover(path=path, size=found.st_size, why=why)


def _files_below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Plain files; links are neither followed nor given, so that nothing outside is ever reached."""
    for parent, folders, names in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if not Path(parent, name).is_symlink()]
        for name in names:
            path = Path(parent, name)
            with suppress(FileNotFoundError):  # it was just finished under another name
                found = path.lstat()
                if stat.S_ISREG(found.st_mode):
                    yield path, found


def _remove_empty(folder: Path, depth: int) -> None:
    if depth and folder.is_dir():
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                _remove_empty(path, depth - 1)
                if not any(path.iterdir()):
                    path.rmdir()


def total(found: Sequence[Leftover]) -> int:
    """Return the bytes of leftovers."""
    return sum(one.size for one in found)
