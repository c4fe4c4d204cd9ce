"""The doctor's look at the files: are those of the rows there and whole, what has no row, and when was the backup."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from db import inspection
from db.engine import Database
from db.records import StoredFile
from db.space import floor_of, shown
from flows import backup_manifest as manifests
from flows.collect import unnamed_below
from flows.doctor import Finding, Level, finding
from flows.errors import UsageError
from flows.settings import Settings
from pipeline.errors import FileDamaged
from pipeline.files import check_file

BACKUP_DAYS = 7
_SHOWN = 10


def examine(database: Database, settings: Settings, *, deep: bool) -> Iterator[Finding]:
    """Yield the findings; `deep` reads every file."""
    yield from _named(database, settings.home, deep)
    extra = sum(1 for project in inspection.projects(database) for _ in unnamed_below(database, project))
    yield finding("files without a row", str(extra), "warn" if extra else None, "borderline collect lists old ones")
    yield from _quotas(database, settings)
    yield from _backups(settings)


def _named(database: Database, home: Path, deep: bool) -> Iterator[Finding]:
    wrong, seen = 0, 0
    for file in inspection.stored_files(database):
        seen += 1
        said = _wrong(file, home, deep)
        wrong += bool(said)
        if said and wrong <= _SHOWN:
            yield finding("file", f"{file.path} {said}", "problem", "put it back from a backup (borderline restore)")
    if wrong > _SHOWN:
        yield finding("files", f"{wrong} in all are missing or changed", "problem", "see the first of them above")
    if not wrong:
        how = "and have their hash" if deep else "and have their size (--deep reads them)"
        yield finding("files", f"all {seen} are there {how}")


def _wrong(file: StoredFile, home: Path, deep: bool) -> str:
    path = home / file.path
    if not path.is_file():
        return "is missing"
    if (size := path.stat().st_size) != file.size:
        return f"has {size} bytes, not {file.size}"
    if deep:
        try:
            check_file(path, file.sha256)
        except FileDamaged:
            return "was changed: its hash is another"
    return ""


def _quotas(database: Database, settings: Settings) -> Iterator[Finding]:
    quota = settings.project_quota
    for project in inspection.projects(database):
        if quota is not None and project.bytes >= quota:
            said = f"{project.name!r} has {shown(project.bytes)} of {shown(quota)}"
            yield finding("quota", said, "warn", "raise BORDERLINE_PROJECT_QUOTA; labels still save")


def _backups(settings: Settings) -> Iterator[Finding]:
    try:
        there = manifests.finished(settings.backups)
        last = manifests.read(there[-1]) if there else None
    except UsageError as error:
        yield finding("backups", str(error), "problem", "borderline backup")
        return
    if last is None:
        yield finding("backups", f"none in {settings.backups}", "warn", "borderline backup --to FOLDER")
        return
    days = (datetime.now(UTC) - last.when).total_seconds() / 86400
    said = f"the newest of {len(there)} is {days:.1f} days old"
    yield finding("backups", said, "warn" if days > BACKUP_DAYS else None, "borderline backup, or a schedule for it")
    if last.lacking:
        yield finding("backups", f"the newest lacks {last.lacking} files", "problem", "borderline backup --verify")
    if settings.home.is_dir() and settings.backups.stat().st_dev == settings.home.stat().st_dev:
        do = "set BORDERLINE_BACKUP_FOLDER to another disk, or copy the folder elsewhere"
        yield finding("backups", "they are on the same disk as the home folder", "warn", do)


def disk(settings: Settings) -> Iterator[Finding]:
    """Yield whether there is room on the disks of the home folder and of the backups."""
    for folder in dict.fromkeys((settings.home, settings.backups)):
        if not folder.is_dir():
            continue
        free, floor = shutil.disk_usage(folder).free, floor_of(folder, settings.free_space_floor)
        bad: Level | None = "problem" if free < floor else "warn" if free < 2 * floor else None
        do = "free some space: work waits below the floor, labels still save"
        yield finding("disk", f"{shown(free)} free for {folder} (floor {shown(floor)})", bad, do)
