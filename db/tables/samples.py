"""Files (with hashes), shards of decoded images, and samples."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, Id, Ref, Str, Time, one_of


class FileRow(Base):
    """A file below BORDERLINE_HOME that was safely on disk before this row was written."""

    __tablename__ = "files"
    __table_args__ = (
        UniqueConstraint("path"),
        CheckConstraint("length(sha256) = 64 AND size >= 0", name="content"),
        one_of(
            *("kind", "pixels", "display", "original", "model", "copies", "synthetic", "generator", "export"),
            *("checkpoint", "pseudo_labels", "comparison"),
        ),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"), index=True)
    kind: Mapped[Str]
    path: Mapped[Str]
    sha256: Mapped[Str]
    size: Mapped[Time]
    created_at: Mapped[Time]
    deleted_at: Mapped[Time | None]


class ShardRow(Base):
    """Decoded images of one project: an array of pixels, and what people see of them."""

    __tablename__ = "shards"
    __table_args__ = (UniqueConstraint("pixels_file_id"), Index("ix_shards_project_id", "project_id"))

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    pixels_file_id: Mapped[Ref] = mapped_column(ForeignKey("files.id"))
    display_file_id: Mapped[Ref] = mapped_column(ForeignKey("files.id"))
    created_at: Mapped[Time]


class SampleRow(Base):
    """One image by a stable id and the sha256 of its bytes."""

    __tablename__ = "samples"
    __table_args__ = (
        UniqueConstraint("project_id", "sha256"),
        UniqueConstraint("shard_id", "shard_row"),
        Index("ix_samples_project_id_split", "project_id", "split", "deleted_at"),
        ForeignKeyConstraint(
            ["project_id", "known_class_id"], ["classes.project_id", "classes.id"], name="fk_samples_known_class"
        ),
        one_of("split", "pool", "holdout", "validation", "test"),
        CheckConstraint("length(sha256) = 64", name="sha256"),
        CheckConstraint("shard_row >= 0 AND display_offset >= 0 AND display_length >= 0", name="place"),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    sha256: Mapped[Str]
    name: Mapped[Str]
    split: Mapped[Str]
    known_class_id: Mapped[Ref | None]
    known_hidden: Mapped[bool]
    shard_id: Mapped[Ref] = mapped_column(ForeignKey("shards.id"))
    row: Mapped[int] = mapped_column("shard_row")
    display_offset: Mapped[Time]
    display_length: Mapped[Time]
    media_type: Mapped[Str]
    width: Mapped[int]
    height: Mapped[int]
    source_path: Mapped[Str | None]
    original_file_id: Mapped[Ref | None] = mapped_column(ForeignKey("files.id"))
    notes: Mapped[Str]
    created_at: Mapped[Time]
    deleted_at: Mapped[Time | None]
