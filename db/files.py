"""Rows for files: written only after the file is safely on disk, never changed afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db import inputs
from db.clock import now
from db.errors import Conflict, FileDamaged
from db.records import NewFile, StoredFile
from db.sql import among, insert_new
from db.tables import ComparisonFileRow, ComparisonRow, FileRow

_ROWS_AT_ONCE = 5000


def register(session: Session, project_id: int, kind: str, files: Sequence[NewFile]) -> dict[str, int]:
    """Return file ids by path; a file that is known already keeps its row.

    Raises:
        Conflict: if a path is known with other contents or belongs to another project.
    """
    at = now(session)
    wanted = {inputs.relative_path(file.path): file for file in files}
    rows = [
        {
            "project_id": project_id,
            "kind": kind,
            "path": path,
            "sha256": inputs.sha256(file.sha256),
            "size": file.size,
            "created_at": at,
        }
        for path, file in wanted.items()
    ]
    insert_new(session, FileRow, rows)
    statement = select(FileRow.path, FileRow.id, FileRow.sha256, FileRow.project_id).where(
        among(session, FileRow.path, wanted)
    )
    found = {}
    for path, file_id, sha256, owner in session.execute(statement):
        if sha256 != wanted[path].sha256 or owner != project_id:
            raise Conflict(f"expected {path} to be unchanged, got other contents; write changed files under a new name")
        found[path] = file_id
    return found


def require_intact(home: Path, path: str, sha256: str) -> None:
    """Read a file below the home folder and make sure that it still holds the bytes that were written.

    Raises:
        FileDamaged: if it is missing, or its hash differs.
    """
    try:
        with (home / path).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileDamaged(
            f"expected a readable file at {path}, got: {error.strerror}; restore it from a backup"
        ) from error
    if found != sha256:
        raise FileDamaged(
            f"expected {path} with sha256 {sha256[:12]}..., got {found[:12]}...; restore it from a backup"
        )


def needed(session: Session) -> Iterator[StoredFile]:
    """Yield every file that something still refers to, by path; those of deleted comparisons may be gone."""
    forgotten = (
        select(ComparisonFileRow.file_id)
        .join(ComparisonRow, ComparisonRow.id == ComparisonFileRow.comparison_id)
        .where(ComparisonRow.deleted_at.is_not(None))
    )
    columns = FileRow.project_id, FileRow.kind, FileRow.path, FileRow.sha256, FileRow.size
    statement = select(*columns).where(FileRow.deleted_at.is_(None), FileRow.id.not_in(forgotten))
    result = session.execute(statement.order_by(FileRow.path).execution_options(yield_per=_ROWS_AT_ONCE))
    for project_id, kind, path, sha256, size in result:
        yield StoredFile(project_id=project_id, kind=kind, path=path, sha256=sha256, size=size)


def named(session: Session, project_id: int) -> set[str]:
    """Return the path of every file of a project that any row names, needed or not."""
    return set(session.scalars(select(FileRow.path).where(FileRow.project_id == project_id)))


def used(session: Session, project_id: int) -> int:
    """Return how many bytes the files of a project have."""
    mine = FileRow.project_id == project_id, FileRow.deleted_at.is_(None)
    return int(session.scalars(select(func.coalesce(func.sum(FileRow.size), 0)).where(*mine)).one())
