"""Reads a backup in full and says what is wrong with it: nobody should find that out on the day it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from db import snapshot
from db.errors import StoreError
from flows import backup_manifest as manifests
from flows.backup_files import FileStore
from flows.backup_manifest import DATABASE, LIST, Manifest
from flows.report import Reporter
from pipeline.errors import FileDamaged
from pipeline.files import check_file


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What reading a backup found.

    Attributes:
        folder: Of the backup.
        manifest: What it says of itself.
        problems: What is wrong, in words; empty is good.
        gone: Images that were left where they lie and are no longer there.
    """

    folder: Path
    manifest: Manifest
    problems: tuple[str, ...]
    gone: tuple[str, ...]


def verify(folder: Path, reporter: Reporter) -> Verdict:
    """Check every hash of a backup, its database, its counts, and whether images left elsewhere are still there.

    Args:
        folder: A backup, or a folder of backups: the newest.
        reporter: Receives the progress.

    Raises:
        UsageError: There is no finished backup.
    """
    folder = manifests.find(folder)
    manifest = manifests.read(folder)
    rows = tuple(_rows(folder, manifest))
    try:
        check_file(folder / LIST, manifest.list_sha256)
    except FileDamaged as error:  # what it lists cannot be looked for
        problems = (*rows, f"the list of files: {error}")
        return Verdict(folder=folder, manifest=manifest, problems=problems, gone=())
    left = (entry.path for entry in manifests.entries(folder) if entry.kind == "left")
    gone = tuple(path for path in left if not Path(path).is_file())
    found = (*rows, *_files(folder, manifest, reporter))
    return Verdict(folder=folder, manifest=manifest, problems=found, gone=gone)


def _rows(folder: Path, manifest: Manifest) -> Iterator[str]:
    try:
        check_file(folder / DATABASE, manifest.database_sha256)
        inside = snapshot.contents(folder / DATABASE)
    except (FileDamaged, StoreError) as error:
        yield f"the rows: {error}"
        return
    yield from inside.problems
    for table in sorted(manifest.counts.keys() | inside.counts.keys()):
        wanted, found = manifest.counts.get(table, 0), inside.counts.get(table, 0)
        if wanted != found:
            yield f"expected {wanted} rows of {table}, got {found}"


def _files(folder: Path, manifest: Manifest, reporter: Reporter) -> Iterator[str]:
    kept, seen = FileStore(folder.parent), dict[str, str]()
    for done, entry in enumerate(manifests.entries(folder)):
        reporter.progress(done, manifest.files + manifest.lacking + manifest.left, "reading files")
        if entry.why:
            yield f"{entry.path} was not in order when the backup was made: {entry.why}"
        elif entry.inside:
            if entry.sha256 not in seen:
                seen[entry.sha256] = kept.check(entry.sha256)
            if seen[entry.sha256]:
                yield f"{entry.path}: {seen[entry.sha256]}"
