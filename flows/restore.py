"""A backup becomes a home folder with a store again, on either engine, somewhere that is empty."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from db import restoring, schema
from db.engine import Database
from db.homes import recognize
from db.records import NewFile, Original
from db.restoring import Settled
from db.space import require_disk
from flows import backup_manifest as manifests
from flows.backup_files import FileStore, copy_checked
from flows.backup_manifest import DATABASE, LIST, Entry, Manifest
from flows.errors import UsageError
from flows.report import Reporter
from flows.retries import KILLED
from flows.settings import Settings
from pipeline.errors import FileDamaged
from pipeline.files import atomic_write_bytes, check_file

MARK = "restoring.json"
_MAY_BE_THERE = {"run", "logs", "backups", "lost+found", MARK}  # of a home that holds nothing of a store yet
_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a restore did.

    Attributes:
        folder: Of the backup.
        manifest: What the backup says of itself.
        settled: What of the old store was ended.
        lacking: Files that the backup did not have, with the reason.
        left: Images that lie elsewhere, and how many of them are not there on this machine.
        address: Of the database, without its password.
    """

    folder: Path
    manifest: Manifest
    settled: Settled
    lacking: tuple[Entry, ...]
    left: tuple[int, int]
    address: str


def restore(backup: Path, settings: Settings, reporter: Reporter) -> Restored:
    """Put a backup's files below an empty home folder and its rows into an empty database.

    Every hash is checked on the way. Killed, it can be given again; the database comes last, in one step.

    Args:
        backup: A backup, or a folder of backups: the newest.
        settings: Whose ``home`` and ``database_url`` are filled.
        reporter: Receives the progress.

    Raises:
        UsageError: The backup is not finished, or the home folder is in use.
        Conflict: The database is in use.
        SchemaTooNew: A newer Borderline made the backup.
        FileDamaged: Something in the backup is not what was written.
        NoSpace: The disk is too full for it.
    """
    folder = manifests.find(backup.expanduser().absolute())
    manifest = manifests.read(folder)
    schema.require_known(manifest.revision)
    check_file(folder / DATABASE, manifest.database_sha256)
    check_file(folder / LIST, manifest.list_sha256)
    home, url = settings.home, settings.database_url
    _require_empty(home, manifest)
    restoring.require_empty(url, home)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_disk(home, settings.free_space_floor, manifest.bytes + (folder / DATABASE).stat().st_size)
    atomic_write_bytes(home / MARK, json.dumps({"made_at": manifest.made_at}).encode())
    originals = list(_put_files(folder, manifest, settings, reporter))
    reporter.progress(0, 0, "restoring the rows")
    copy = restoring.working_copy(url, home)
    copy_checked(folder / DATABASE, copy, manifest.database_sha256)
    settled = restoring.settle(copy, home, KILLED, originals)
    restoring.place(copy, url, home)
    with Database.open(url, home=home, migrate=False) as database:
        address = recognize(database).address  # and the home knows from now on which database is its own
    (home / MARK).unlink()
    told = list(manifests.entries(folder))
    left = [entry for entry in told if entry.kind == "left"]
    return Restored(
        folder=folder,
        manifest=manifest,
        settled=settled,
        lacking=tuple(entry for entry in told if entry.why),
        left=(len(left), sum(not Path(entry.path).is_file() for entry in left)),
        address=address,
    )


def _require_empty(home: Path, manifest: Manifest) -> None:
    there = {path.name for path in home.iterdir()} if home.is_dir() else set()
    begun = home / MARK  # this very restore, killed
    if begun.is_file() and json.loads(begun.read_text()).get("made_at") == manifest.made_at:
        there = {name for name in there if name != "projects" and not name.startswith(restoring.WORKING)}
    if strange := sorted(there - _MAY_BE_THERE):
        raise UsageError(f"expected an empty home folder, got {home} with {strange[0]!r}; do: name a new folder")


def _put_files(
    folder: Path, manifest: Manifest, settings: Settings, reporter: Reporter
) -> Iterator[tuple[Original, NewFile]]:
    """Copy every file to its place; give those images that lay elsewhere and have a place in the home now."""
    kept = FileStore(folder.parent)
    for done, entry in enumerate(manifests.entries(folder)):
        reporter.progress(done, manifest.files + manifest.lacking + manifest.left, "restoring files")
        if not entry.inside:
            continue
        place = entry.path if entry.kind == "file" else _taken_in(entry)
        target = (settings.home / place).resolve()
        if not target.is_relative_to((settings.home / "projects").resolve()):
            raise UsageError(f"expected files below the home folder, got {entry.path!r}; do: verify the backup")
        try:
            kept.give(entry.sha256, target)
        except FileDamaged as error:
            raise FileDamaged(
                f"expected {entry.path} as it was written, got: {error}; do: take another backup"
            ) from error
        if entry.kind == "original":
            here = Original(
                sample_id=entry.sample_id, project_id=entry.project_id, path=entry.path, sha256=entry.sha256
            )
            yield here, NewFile(path=place, sha256=entry.sha256, size=entry.size)


def _taken_in(entry: Entry) -> str:
    """Return where `ingest --copy` would have put an image."""
    suffix = Path(entry.path).suffix.lower()
    name = entry.sha256 + (suffix if _SUFFIX.fullmatch(suffix) else "")
    return f"projects/{entry.project_id}/originals/{entry.sha256[:2]}/{name}"
