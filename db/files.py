"""Rows for files: written only after the file is safely on disk, never changed afterwards."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from db import inputs
from db.clock import now
from db.errors import Conflict
from db.records import NewFile
from db.sql import among, insert_new
from db.tables import FileRow


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
