"""What a backup says of itself: a manifest, written last, and a list of its files, one line each.

backups/
    files/ab/abcd...        every file once, by its hash, shared by all backups of the folder
    20260102T030405Z/
        database.db         all rows, a SQLite file whatever engine they came from
        files.jsonl         which files belong to it, and where they go
        manifest.json       hashes and counts; without it the backup was never finished
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from flows.errors import UsageError
from pipeline.files import atomic_write_bytes

FORMAT = 1
DATABASE, LIST, MANIFEST = "database.db", "files.jsonl", "manifest.json"
NAME = re.compile(r"\d{8}T\d{6}Z(-\d+)?")  # nothing else in the folder is ever taken for a backup


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A backup as a whole.

    Attributes:
        format: Of the backup; a newer one is refused.
        made_at: Milliseconds by the database's clock; every answer acknowledged before is inside.
        borderline: Version that made it.
        engine: What the rows came from.
        revision: Schema of the rows.
        database_sha256: Of the rows' file.
        list_sha256: Of the list of files.
        counts: Rows by table.
        files: How many files are in it.
        bytes: How much they are together, as if nothing were shared.
        lacking: How many of its files were missing or damaged when it was made.
        left: Images that were registered where they lie and are not in it.
    """

    format: int
    made_at: int
    borderline: str
    engine: str
    revision: str
    database_sha256: str
    list_sha256: str
    counts: dict[str, int] = field(default_factory=dict)
    files: int
    bytes: int
    lacking: int
    left: int

    @property
    def when(self) -> datetime:
        """When it was made."""
        return datetime.fromtimestamp(self.made_at / 1000, UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A line of the list.

    Attributes:
        path: Below the home folder; for an image that lies elsewhere its absolute path.
        sha256: Of the content, and the name under which the folder of backups keeps it.
        size: Bytes; -1 where it is not known because the file is not in the backup.
        kind: ``file`` of the home; ``original``: an image from elsewhere, taken along; ``left``: one that was not.
        why: Why the content is not in the backup though it should be; empty when it is.
        sample_id: Of an image from elsewhere.
        project_id: Of an image from elsewhere.
    """

    path: str
    sha256: str
    size: int = -1
    kind: Literal["file", "original", "left"] = "file"
    why: str = ""
    sample_id: int = 0
    project_id: int = 0

    @property
    def inside(self) -> bool:
        """Whether the content is in the backup."""
        return self.kind != "left" and not self.why

    def line(self) -> bytes:
        """Return the entry as a line of the list."""
        told = {name: value for name, value in asdict(self).items() if value != _DEFAULTS.get(name)}
        return (json.dumps(told, ensure_ascii=True) + "\n").encode()


_DEFAULTS = {item.name: item.default for item in fields(Entry)}  # not written: most entries are files in order


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, whole or not at all: from now on the backup counts."""
    atomic_write_bytes(folder / MANIFEST, json.dumps(asdict(manifest), indent=2).encode())


def read(folder: Path) -> Manifest:
    """Read the manifest of a backup.

    Raises:
        UsageError: There is none, or one that this version does not understand.
    """
    path = folder / MANIFEST
    try:
        found = json.loads(path.read_text())
        known = {item.name for item in fields(Manifest)}
        if int(found["format"]) > FORMAT:
            raise UsageError(f"expected a backup of format {FORMAT}, got {found['format']}; do: upgrade Borderline")
        return Manifest(**{name: value for name, value in found.items() if name in known})
    except FileNotFoundError:
        raise UsageError(f"expected a finished backup at {folder}, got no {MANIFEST}; do: name another") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"expected a readable {path}, got: {error}; do: take another backup") from error


def entries(folder: Path) -> Iterator[Entry]:
    """Yield the list of a backup, line by line.

    Raises:
        UsageError: A line cannot be read.
    """
    path = folder / LIST
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                yield Entry(**json.loads(line))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"expected a readable {path}, got: {error}; do: take another backup") from error


def finished(folder: Path) -> list[Path]:
    """Return the finished backups of a folder, the oldest first."""
    if not folder.is_dir():
        return []
    there = [path for path in folder.iterdir() if NAME.fullmatch(path.name) and (path / MANIFEST).is_file()]
    return sorted(there, key=lambda path: (read(path).made_at, path.name))


def find(folder: Path) -> Path:
    """Return the backup that is meant: the folder itself, or the newest one in it.

    Raises:
        UsageError: There is none.
    """
    if (folder / MANIFEST).is_file():
        return folder
    there = finished(folder)
    if not there:
        raise UsageError(f"expected a backup at {folder}, got none that was finished; do: name its folder")
    return there[-1]
