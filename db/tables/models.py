"""Model versions, their predictions on the holdout, adversarial copies and pseudo-labels."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, Id, Json, Ref, Str, Time, unique_where


class ModelVersionRow(Base):
    """A trained classifier. One of a project is the current one."""

    __tablename__ = "model_versions"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        unique_where("uq_model_versions_current", "project_id", where="is_current"),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    number: Mapped[int]
    round_id: Mapped[Ref | None] = mapped_column(ForeignKey("rounds.id"), index=True)
    file_id: Mapped[Ref] = mapped_column(ForeignKey("files.id"))
    architecture: Mapped[Str]
    recipe: Mapped[Str]
    strategy: Mapped[Str]
    seed: Mapped[Time]
    labels_used: Mapped[int]
    copies_used: Mapped[int]
    synthetic_used: Mapped[int] = mapped_column(server_default="0")  # counted apart from labels
    metrics: Mapped[Json]
    is_current: Mapped[bool]
    created_at: Mapped[Time]


class RoundModelRow(Base):
    """The model version a round ranked with (trained in it, or taken over)."""

    __tablename__ = "round_models"

    round_id: Mapped[Ref] = mapped_column(ForeignKey("rounds.id"), primary_key=True)
    model_version_id: Mapped[Ref] = mapped_column(ForeignKey("model_versions.id"))


class ModelChoiceRow(Base):
    """That a version became the one in use: when, by whom and why; never changed."""

    __tablename__ = "model_choices"
    __table_args__ = (Index("ix_model_choices_project_id", "project_id", "id"),)

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    model_version_id: Mapped[Ref] = mapped_column(ForeignKey("model_versions.id"))
    reason: Mapped[Str]
    chosen_by: Mapped[Ref] = mapped_column(ForeignKey("users.id"))
    chosen_at: Mapped[Time]


class PredictionRow(Base):
    """What a model version said about a sample that it never learned from."""

    __tablename__ = "predictions"
    __table_args__ = (CheckConstraint("probability >= 0 AND probability <= 1", name="probability"),)

    model_version_id: Mapped[Ref] = mapped_column(ForeignKey("model_versions.id"), primary_key=True)
    sample_id: Mapped[Ref] = mapped_column(ForeignKey("samples.id"), primary_key=True)
    position: Mapped[int]
    probability: Mapped[float]


class AdversarialCopyRow(Base):
    """A query's image pushed just over the border: a row of a float32 array. Its label is its original's."""

    __tablename__ = "adversarial_copies"
    __table_args__ = (UniqueConstraint("round_id", "sample_id"), UniqueConstraint("file_id", "file_row"))

    id: Mapped[Id]
    round_id: Mapped[Ref] = mapped_column(ForeignKey("rounds.id"))
    sample_id: Mapped[Ref] = mapped_column(ForeignKey("samples.id"))
    file_id: Mapped[Ref] = mapped_column(ForeignKey("files.id"))
    row: Mapped[int] = mapped_column("file_row")
    distance: Mapped[float | None]
    created_at: Mapped[Time]


class PseudoLabelRow(Base):
    """What a round's model was sure of: one int64 array (count, 2) of sample ids and class positions."""

    __tablename__ = "pseudo_labels"
    __table_args__ = (UniqueConstraint("round_id"), CheckConstraint("count >= 1", name="count"))

    id: Mapped[Id]
    round_id: Mapped[Ref] = mapped_column(ForeignKey("rounds.id"))
    file_id: Mapped[Ref] = mapped_column(ForeignKey("files.id"))
    count: Mapped[int]
    created_at: Mapped[Time]
