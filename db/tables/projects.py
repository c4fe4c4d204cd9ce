"""Projects and their classes."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, Id, Ref, Str, Time, one_of, unique_where


class ProjectRow(Base):
    """One labeling job. A deleted one keeps its rows and gives its name free."""

    __tablename__ = "projects"
    __table_args__ = (
        unique_where("uq_projects_live_name", "name", where="deleted_at IS NULL"),
        one_of("kind", "labeling", "simulation"),
        one_of("state", "active", "paused", "finished"),
        CheckConstraint("batch_size >= 1 AND overlap >= 1 AND holdout_size >= 0", name="sizes"),
        CheckConstraint("reserve_size IS NULL OR reserve_size >= 0", name="reserve"),
        CheckConstraint("holdout_share >= 0 AND holdout_share <= 1", name="share"),
        CheckConstraint("image_size >= 1 AND channels IN (1, 3)", name="image"),
    )

    id: Mapped[Id]
    name: Mapped[Str]
    kind: Mapped[Str]  # a simulation runs its rounds itself: none of them is ever due
    state: Mapped[Str]
    image_size: Mapped[int]
    channels: Mapped[int]
    model: Mapped[Str]
    weights: Mapped[Str]  # what training starts from: empty, 'download' or a safetensors file
    recipe: Mapped[Str]
    strategy: Mapped[Str]
    cold_start: Mapped[Str] = mapped_column(server_default="random_sampling")  # what chooses before there is a model
    batch_size: Mapped[int]
    reserve_size: Mapped[int | None]
    overlap: Mapped[int]  # votes each query gets ...
    max_overlap: Mapped[int | None]  # ... and at most, while they disagree; NULL: never more
    gold_share: Mapped[float] = mapped_column(server_default="0.05")  # of what a person is shown
    confirm_share: Mapped[float] = mapped_column(server_default="0")  # images to confirm in the grid, per query
    confirm_confidence: Mapped[float] = mapped_column(server_default="0.95")  # of those, at least
    spot_check_share: Mapped[float] = mapped_column(server_default="0.05")  # of confirmed ones, asked again singly
    show_why: Mapped[Str] = mapped_column(server_default="on request")
    balance: Mapped[Str] = mapped_column(server_default="none")  # how training evens out classes
    generate: Mapped[Str] = mapped_column(server_default="none")  # what makes images of rare classes ...
    generate_below: Mapped[int] = mapped_column(server_default="100")  # ... that have fewer labels than this
    copy_check_share: Mapped[float] = mapped_column(server_default="0")  # copies that annotators see as a check
    promote: Mapped[Str] = mapped_column(server_default="not_worse")  # when a new model becomes current ...
    promote_by: Mapped[Str] = mapped_column(server_default="accuracy")  # ... by which figure on validation ...
    promote_margin: Mapped[float] = mapped_column(server_default="0")  # ... and by how much, a share
    label_budget: Mapped[Time | None]  # labels that may be given at most; NULL: no limit
    holdout_size: Mapped[int]
    holdout_share: Mapped[float]
    guidelines: Mapped[Str]
    seed: Mapped[Time]
    show_predictions: Mapped[bool]
    holdout_drawn_at: Mapped[Time | None]
    created_by: Mapped[Ref] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]
    deleted_at: Mapped[Time | None]


class ClassRow(Base):
    """One class; its position is its place in the model's output and is never given to another."""

    __tablename__ = "classes"
    __table_args__ = (
        UniqueConstraint("project_id", "position"),
        UniqueConstraint("project_id", "id"),  # so that answers can refer to a class of their own project
        unique_where("uq_classes_live_name", "project_id", "name", where="retired_at IS NULL"),
        unique_where("uq_classes_live_key", "project_id", "key", where="retired_at IS NULL"),
        CheckConstraint("position >= 0", name="position"),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[Str]
    position: Mapped[int]
    key: Mapped[Str]
    created_at: Mapped[Time]
    retired_at: Mapped[Time | None]
    merged_into_id: Mapped[Ref | None]  # answers that gave this class count for that one; NULL: for none
