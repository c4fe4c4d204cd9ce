"""Accepted synthetic samples as rows of an export that asked for them: every one is marked as what it is."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.access import authorize
from db.engine import Database
from db.records import Actor, LabelEntry, Picture, Role
from db.tables import ClassRow, FileRow, GeneratorVersionRow, ProjectRow, RoundRow, SyntheticSampleRow

SPLIT = "synthetic"  # a split of their own: no reader takes them for training or test images unasked


def synthetic_pictures(database: Database, actor: Actor, project_id: int) -> Iterator[tuple[LabelEntry, Picture]]:
    """Return every accepted image of a class in use with the place of its bytes; its id is negative.

    Raises:
        PermissionDenied: below reviewer in the project, at the call.
    """
    row = SyntheticSampleRow
    statement = (
        select(row, ClassRow.name, FileRow.path, GeneratorVersionRow, RoundRow.number, ProjectRow.image_size)
        .join(ClassRow, ClassRow.id == row.class_id)
        .join(FileRow, FileRow.id == row.display_file_id)
        .join(GeneratorVersionRow, GeneratorVersionRow.id == row.generator_version_id)
        .join(ProjectRow, ProjectRow.id == row.project_id)
        .outerjoin(RoundRow, RoundRow.id == GeneratorVersionRow.round_id)
        .where(row.project_id == project_id, row.state == "accepted", ClassRow.retired_at.is_(None))
        .order_by(row.id)
    )

    def work(session: Session) -> list[tuple[LabelEntry, Picture]]:
        authorize(session, actor, project_id, Role.reviewer)
        return [_entry(*found) for found in session.execute(statement).tuples()]

    return iter(database.read(work))


def synthetic_labels(database: Database, actor: Actor, project_id: int) -> Iterator[LabelEntry]:
    """Return every accepted image of a class in use; see `synthetic_pictures`.

    Raises:
        PermissionDenied: below reviewer in the project, at the call.
    """
    return (entry for entry, _ in synthetic_pictures(database, actor, project_id))


def _entry(
    row: SyntheticSampleRow,
    class_name: str,
    pack_path: str,
    version: GeneratorVersionRow,
    round_number: int | None,
    size: int,
) -> tuple[LabelEntry, Picture]:
    entry = LabelEntry(
        sample_id=-row.id,
        name=f"synthetic/{version.kind}-{version.number}/{row.id}.png",
        sha256=row.sha256,
        split=SPLIT,
        class_name=class_name,
        origin=SPLIT,
        votes=0,
        agreement=None,
        round_number=round_number,
        updated_at=row.decided_at or row.created_at,
        width=size,
        height=size,
        synthetic=True,
        generator_version=version.number,
    )
    picture = Picture(
        source_path=None,
        copied_path=None,
        pack_path=pack_path,
        offset=row.display_offset,
        length=row.display_length,
        media_type="image/png",
    )
    return entry, picture
