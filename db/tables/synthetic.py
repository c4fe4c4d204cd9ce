"""Synthetic samples: the generators that made them, the gate's decisions, and everything that was decided since.

A synthetic sample is no row of `samples`: nothing that reads those can query, label, validate, test or export it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, Id, Json, Ref, Str, Time, one_of, unique_where

_DECIDERS = ("gate", "class review", "image review", "class removed")


def _class_of(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["project_id", "class_id"], ["classes.project_id", "classes.id"], name=f"fk_{table}_class"
    )


class GeneratorVersionRow(Base):
    """A trained maker of images. `key` names the attempt that made it: run again, it finds this row."""

    __tablename__ = "generator_versions"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        UniqueConstraint("project_id", "key"),
        one_of("kind", "gan", "translation", "custom"),
        CheckConstraint("number >= 1 AND labels_used >= 0 AND pool_count >= 0", name="numbers"),
        CheckConstraint("pool_sha256 IS NULL OR length(pool_sha256) = 64", name="pool_sha256"),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    number: Mapped[int]
    key: Mapped[Str]
    kind: Mapped[Str]
    round_id: Mapped[Ref | None] = mapped_column(ForeignKey("rounds.id"), index=True)
    file_id: Mapped[Ref] = mapped_column(ForeignKey("files.id"))
    recipe: Mapped[Str]
    seed: Mapped[Time]
    labels_used: Mapped[int]
    pool_count: Mapped[int]  # unlabeled images that it learned from ...
    pool_sha256: Mapped[Str | None]  # ... and the hash of their ids
    metrics: Mapped[Json]
    created_at: Mapped[Time]


class SyntheticSampleRow(Base):
    """An image made by a generator: a row of a uint8 array, and what people see of it in a pack."""

    __tablename__ = "synthetic_samples"
    __table_args__ = (
        UniqueConstraint("file_id", "file_row"),
        Index("ix_synthetic_samples_class", "project_id", "class_id", "state"),
        Index("ix_synthetic_samples_version", "generator_version_id", "class_id"),
        Index("ix_synthetic_samples_sha256", "sha256"),  # the guard asks for both with every image that comes in
        Index("ix_synthetic_samples_pixels_sha256", "pixels_sha256"),
        _class_of("synthetic_samples"),
        one_of("state", "candidate", "accepted", "rejected"),
        CheckConstraint(f"decided_by IN ({', '.join(map(repr, _DECIDERS))})", name="decided_by"),
        CheckConstraint("(state = 'candidate') = (decided_by IS NULL)", name="decided"),
        CheckConstraint("weight >= 0 AND weight <= 1 AND (weight > 0 OR state <> 'accepted')", name="weight"),
        CheckConstraint("length(sha256) = 64 AND length(pixels_sha256) = 64", name="sha256"),
        CheckConstraint("file_row >= 0 AND display_offset >= 0 AND display_length >= 1", name="place"),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    generator_version_id: Mapped[Ref] = mapped_column(ForeignKey("generator_versions.id"))
    class_id: Mapped[Ref]
    file_id: Mapped[Ref] = mapped_column(ForeignKey("files.id"))
    row: Mapped[int] = mapped_column("file_row")
    sha256: Mapped[Str]  # of the display image's bytes: what leaves the store
    pixels_sha256: Mapped[Str]  # of the array's row, as the identity of an image that comes as one
    display_file_id: Mapped[Ref] = mapped_column(ForeignKey("files.id"))
    display_offset: Mapped[Time]
    display_length: Mapped[Time]
    nearest_sample_id: Mapped[Ref | None] = mapped_column(ForeignKey("samples.id"))
    nearest_distance: Mapped[float | None]
    state: Mapped[Str]
    weight: Mapped[float]
    decided_by: Mapped[Str | None]
    decided_by_user: Mapped[Ref | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[Time | None]
    created_at: Mapped[Time]


class GateDecisionRow(Base):
    """What the gate said about the images of one class by one generator version; there is one, it never changes."""

    __tablename__ = "gate_decisions"
    __table_args__ = (
        UniqueConstraint("generator_version_id", "class_id"),
        _class_of("gate_decisions"),
        one_of("verdict", "accepted", "refused"),
        CheckConstraint("weight >= 0 AND weight <= 1 AND (verdict = 'accepted') = (weight > 0)", name="weight"),
        CheckConstraint("real_count >= 0 AND made_count >= 0", name="counts"),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    generator_version_id: Mapped[Ref] = mapped_column(ForeignKey("generator_versions.id"))
    class_id: Mapped[Ref]
    verdict: Mapped[Str]
    weight: Mapped[float]
    reason: Mapped[Str]
    real_count: Mapped[int]
    made_count: Mapped[int]
    checks: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    test: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[Time]


class SyntheticEventRow(Base):
    """History, append-only: each decision of the gate or of a person on a class's images or on one of them."""

    __tablename__ = "synthetic_events"
    __table_args__ = (
        Index("ix_synthetic_events_version", "generator_version_id", "class_id"),
        unique_where("uq_synthetic_events_request_id", "request_id", where="request_id IS NOT NULL"),
        _class_of("synthetic_events"),
        one_of("verdict", "accepted", "rejected"),
        CheckConstraint(f"decided_by IN ({', '.join(map(repr, _DECIDERS))})", name="decided_by"),
        CheckConstraint("(decided_by = 'image review') = (sample_ids IS NOT NULL)", name="sample_ids"),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    generator_version_id: Mapped[Ref] = mapped_column(ForeignKey("generator_versions.id"))
    class_id: Mapped[Ref]
    verdict: Mapped[Str]
    decided_by: Mapped[Str]
    user_id: Mapped[Ref] = mapped_column(ForeignKey("users.id"))
    against_gate: Mapped[bool]
    weight: Mapped[float]
    changed: Mapped[int]  # images whose state it changed
    sample_ids: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))  # NULL: the whole class
    note: Mapped[Str]
    request_id: Mapped[Str | None]
    created_at: Mapped[Time]
