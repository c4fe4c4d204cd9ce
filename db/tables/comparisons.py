"""Comparisons of strategies, their runs, and the points that each run leaves behind."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, Id, Json, Ref, Str, Time, one_of, unique_where


class ComparisonRow(Base):
    """Strategies compared on the images of one project. A deleted one keeps its rows and gives its key free."""

    __tablename__ = "comparisons"
    __table_args__ = (
        unique_where("uq_comparisons_live_key", "project_id", "key", where="deleted_at IS NULL"),
        one_of("state", "running", "stopped", "done", "failed"),
        CheckConstraint("points_wanted >= 1", name="points_wanted"),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[Str]
    key: Mapped[Str]  # of settings and data: the same command finds its comparison again
    settings: Mapped[Json]
    about: Mapped[Json]
    state: Mapped[Str]
    note: Mapped[Str]
    points_wanted: Mapped[int]
    created_by: Mapped[Ref] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]
    updated_at: Mapped[Time]
    deleted_at: Mapped[Time | None]


class ComparisonRunRow(Base):
    """One arm with one seed."""

    __tablename__ = "comparison_runs"
    __table_args__ = (
        UniqueConstraint("comparison_id", "arm", "seed"),
        one_of("state", "waiting", "running", "done", "failed"),
    )

    id: Mapped[Id]
    comparison_id: Mapped[Ref] = mapped_column(ForeignKey("comparisons.id"))
    arm: Mapped[Str]
    seed: Mapped[Time]
    state: Mapped[Str]
    note: Mapped[Str]


class ComparisonPointRow(Base):
    """One model of a run; written when it was made, never changed."""

    __tablename__ = "comparison_points"
    __table_args__ = (
        UniqueConstraint("run_id", "labels"),
        CheckConstraint("labels >= 1 AND train_seconds >= 0", name="numbers"),
        CheckConstraint("accuracy >= 0 AND accuracy <= 1", name="accuracy"),
        CheckConstraint("balanced_accuracy >= 0 AND balanced_accuracy <= 1", name="balanced_accuracy"),
    )

    id: Mapped[Id]
    run_id: Mapped[Ref] = mapped_column(ForeignKey("comparison_runs.id"))
    labels: Mapped[int]
    accuracy: Mapped[float]
    balanced_accuracy: Mapped[float]
    class_recall: Mapped[list[Any]] = mapped_column(JSON)
    class_labels: Mapped[list[Any]] = mapped_column(JSON)
    queried: Mapped[list[Any]] = mapped_column(JSON)
    query_seconds: Mapped[float | None]
    train_seconds: Mapped[float]
    figures: Mapped[Json]
    created_at: Mapped[Time]


class ComparisonFileRow(Base):
    """What a page shows of a comparison beyond numbers, computed beforehand: a map of its queries, sheets of them."""

    __tablename__ = "comparison_files"
    __table_args__ = (
        UniqueConstraint("comparison_id", "kind", "name"),
        Index("ix_comparison_files_file_id", "file_id"),
    )

    id: Mapped[Id]
    comparison_id: Mapped[Ref] = mapped_column(ForeignKey("comparisons.id"))
    kind: Mapped[Str]
    name: Mapped[Str]
    file_id: Mapped[Ref] = mapped_column(ForeignKey("files.id"))
    created_at: Mapped[Time]
