"""Backups while everybody works: the rows as of one moment, then the files that these rows name, then the manifest.

Files never change once a row names them, so the rows come first and whatever they name is still there afterwards. A
backup that was killed has no manifest: it is none, and the next one clears it away.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import BinaryIO

from db import inspection, snapshot
from db.records import Original
from db.space import require_disk
from flows import backup_manifest as manifests
from flows.backup_files import FileStore, total
from flows.backup_manifest import DATABASE, LIST, Entry, Manifest
from flows.errors import AlreadyRunning, FlowError
from flows.locks import file_lock, files_in_use
from flows.report import Reporter
from flows.store import Store
from pipeline.errors import FileDamaged
from pipeline.files import atomic_write, sha256_file, sync_folder

KIND = "backup"
UNFINISHED = "unfinished"


@dataclass(frozen=True, kw_only=True)
class BackupReport:
    """What a backup did.

    Attributes:
        folder: Of the backup.
        manifest: What it says of itself.
        copied: Files whose content was new to the folder of backups.
        copied_bytes: How much that was.
        lacking: Files that should be in it and could not be read as they were written, with the reason.
        pruned: Names of older backups that were removed.
    """

    folder: Path
    manifest: Manifest
    copied: int
    copied_bytes: int
    lacking: tuple[Entry, ...] = ()
    pruned: tuple[str, ...] = ()

    def require_whole(self) -> None:
        """Raise `FlowError` if a file is not in the backup that should be: it is kept, but somebody has to know."""
        if self.lacking:
            first = self.lacking[0]
            raise FlowError(
                f"the backup {self.folder.name} was made, but {len(self.lacking)} files were missing or damaged, "
                f"{first.path} first: {first.why}; do: borderline doctor --deep"
            )


def back_up(
    store: Store, folder: Path, reporter: Reporter, *, keep: int = 0, with_originals: bool = False
) -> BackupReport:
    """Write a backup of the whole store; people and rounds go on meanwhile.

    Args:
        store: The open store.
        folder: Of all backups; made when missing, readable by its owner alone.
        reporter: Receives the progress; may raise to stop, which leaves nothing that counts.
        keep: Newest backups that stay when it is done; 0 keeps all.
        with_originals: Take along images that were registered where they lie.

    Raises:
        AlreadyRunning: Another backup writes to that folder.
        NoSpace: The disk of the folder is too full for it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(folder), files_in_use(store):
        _clear_unfinished(folder)
        reporter.progress(0, 0, "copying the rows")
        require_disk(folder, store.settings.free_space_floor, inspection.size(store.database))
        scratch = folder / UNFINISHED
        scratch.mkdir(mode=0o700)
        made_at = snapshot.save(store.database, store.actor, scratch / DATABASE)
        report = _add_files(store, scratch, FileStore(folder), reporter, with_originals)
        report = _finish(store, report, made_at)
        report = replace(report, folder=scratch.rename(_new_place(folder, made_at)))
        sync_folder(folder)
        return replace(report, pruned=tuple(_prune(folder, keep)) if keep else ())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with file_lock(folder / "lock", wait=False) as held:
        if not held:
            raise AlreadyRunning(f"another backup writes to {folder} already; do: wait for it")
        yield


def _clear_unfinished(folder: Path) -> None:
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    for path in folder.iterdir():  # one that was being removed
        if manifests.NAME.fullmatch(path.name) and not (path / manifests.MANIFEST).exists():
            shutil.rmtree(path)


def _new_place(folder: Path, made_at: int) -> Path:
    name = f"{datetime.fromtimestamp(made_at / 1000, UTC):%Y%m%dT%H%M%SZ}"
    turn, target = 1, folder / name
    while target.exists():
        turn += 1
        target = folder / f"{name}-{turn}"
    return target


def _add_files(store: Store, target: Path, kept: FileStore, reporter: Reporter, with_originals: bool) -> BackupReport:
    """Copy what the rows name and the folder of backups does not hold, and write the list."""
    wanted = list(_wanted(target / DATABASE, with_originals))
    new = [entry for entry in wanted if entry.kind != "left" and not _held(kept, entry)]
    size = total((entry.sha256, max(entry.size, 0)) for entry in new)
    require_disk(kept.root.parent, store.settings.free_space_floor, size)
    failed: dict[str, str] = {}
    copied = []
    for done, entry in enumerate(new):
        reporter.progress(done, len(new), "copying files")
        try:
            if not _held(kept, entry):  # two rows may name one content
                copied.append(kept.take(_place(store, entry), entry.sha256).size)
        except FileDamaged as error:
            failed[entry.path] = str(error)
    told = [_as_kept(kept, entry, failed) for entry in wanted]

    def write(file: BinaryIO) -> None:
        file.writelines(entry.line() for entry in told)

    atomic_write(target / LIST, write)
    return BackupReport(
        folder=target,
        manifest=_counted(target, told),
        copied=len(copied),
        copied_bytes=sum(copied),
        lacking=tuple(entry for entry in told if entry.why),
    )


def _held(kept: FileStore, entry: Entry) -> bool:
    return kept.holds(entry.sha256, entry.size if entry.size >= 0 else None)


def _as_kept(kept: FileStore, entry: Entry, failed: dict[str, str]) -> Entry:
    if entry.kind == "left":
        return entry
    if not _held(kept, entry):
        return replace(entry, why=failed[entry.path])
    return replace(entry, size=kept.path(entry.sha256).stat().st_size)


def _place(store: Store, entry: Entry) -> Path:
    return store.path(entry.path) if entry.kind == "file" else Path(entry.path)


def _wanted(database: Path, with_originals: bool) -> Iterator[Entry]:
    for file in snapshot.files_in(database):
        yield Entry(path=file.path, sha256=file.sha256, size=file.size)
    for original in snapshot.originals_in(database):
        yield _elsewhere(original, with_originals)


def _elsewhere(original: Original, taken: bool) -> Entry:
    return Entry(
        path=original.path,
        sha256=original.sha256,
        kind="original" if taken else "left",
        sample_id=original.sample_id,
        project_id=original.project_id,
    )


def _counted(target: Path, told: list[Entry]) -> Manifest:
    """What the list says in numbers; the hashes and the time come at the end."""
    inside = [entry for entry in told if entry.inside]
    return Manifest(
        format=manifests.FORMAT,
        made_at=0,
        borderline=own_version(),
        engine="",
        revision="",
        database_sha256="",
        list_sha256=sha256_file(target / LIST),
        files=len(inside),
        bytes=total((entry.sha256, entry.size) for entry in inside),
        lacking=sum(bool(entry.why) for entry in told),
        left=sum(entry.kind == "left" for entry in told),
    )


def _finish(store: Store, report: BackupReport, made_at: int) -> BackupReport:
    """Check the rows' file, and write the manifest last."""
    inside = snapshot.contents(report.folder / DATABASE)
    if inside.problems:
        raise FlowError(f"expected rows in good order, got: {inside.problems[0]}; do: borderline doctor")
    manifest = replace(
        report.manifest,
        made_at=made_at,
        engine=store.database.dialect,
        revision=inside.revision,
        counts=inside.counts,
        database_sha256=sha256_file(report.folder / DATABASE),
    )
    manifests.write(report.folder, manifest)
    return replace(report, manifest=manifest)


def _prune(folder: Path, keep: int) -> list[str]:
    """Remove all but the newest backups, each manifest first, then the files that no backup names any more."""
    there = manifests.finished(folder)
    old = there[:-keep]
    for path in old:
        (path / manifests.MANIFEST).unlink()
        shutil.rmtree(path)
    wanted = {entry.sha256 for path in there[-keep:] for entry in manifests.entries(path) if entry.inside}
    FileStore(folder).keep_only(wanted)
    return [path.name for path in old]


def own_version() -> str:
    """Return Borderline's version, or 'unknown' where it runs from a folder that was never installed."""
    try:
        return version("borderline")
    except PackageNotFoundError:
        return "unknown"
