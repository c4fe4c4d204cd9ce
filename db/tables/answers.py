"""Claims, the append-only history of answers, the answers that stand, the labels they make, and the gold."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, Id, Json, Ref, Str, Time, one_of, unique_where

ACTIVE = "state IN ('leased', 'done')"


class ClaimRow(Base):
    """A slot of a query handed to one annotator. Two people on one slot, or one person twice, cannot be stored."""

    __tablename__ = "claims"
    __table_args__ = (
        unique_where("uq_claims_active_slot", "query_id", "slot", where=ACTIVE),
        unique_where("uq_claims_active_user", "query_id", "user_id", where=ACTIVE),
        UniqueConstraint("query_id", "token"),
        ForeignKeyConstraint(
            ["query_id", "slots"], ["queries.id", "queries.slots"], name="fk_claims_query_slots", onupdate="CASCADE"
        ),
        CheckConstraint("slot >= 0", name="slot"),
        CheckConstraint(f"slot < slots OR NOT ({ACTIVE})", name="slot_below_slots"),
        one_of("state", "leased", "done", "passed", "released", "expired", "undone"),
        Index("ix_claims_user_id", "user_id", "state"),
    )

    id: Mapped[Id]
    query_id: Mapped[Ref]
    slots: Mapped[int]
    slot: Mapped[int]
    user_id: Mapped[Ref] = mapped_column(ForeignKey("users.id"))
    token: Mapped[int]
    state: Mapped[Str]
    claimed_at: Mapped[Time]
    expires_at: Mapped[Time]


class AnnotationEventRow(Base):
    """Everything that ever bore on a label, never changed: triggers refuse UPDATE and DELETE."""

    __tablename__ = "annotation_events"
    __table_args__ = (
        UniqueConstraint("answer_id"),
        Index("ix_annotation_events_sample_id", "sample_id", "kind"),
        ForeignKeyConstraint(
            ["project_id", "class_id"], ["classes.project_id", "classes.id"], name="fk_annotation_events_class"
        ),
        one_of("kind", "answer", "draft", "undo", "import", "decide", "review", "withdraw"),
        one_of("outcome", "class", "skip", "unsure", "flag"),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    sample_id: Mapped[Ref] = mapped_column(ForeignKey("samples.id"))
    query_id: Mapped[Ref | None] = mapped_column(ForeignKey("queries.id"))
    user_id: Mapped[Ref] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[Str]
    answer_id: Mapped[Str | None]
    target_id: Mapped[Str | None]  # the answer that is undone or replaced
    outcome: Mapped[Str | None]
    class_id: Mapped[Ref | None]
    counts: Mapped[bool]  # whether a class given here is a vote for the label (gold answers are not)
    slots: Mapped[int | None]
    digest: Mapped[Str]  # of the payload: the same id with another payload is an error
    payload: Mapped[Json]
    receipt: Mapped[Json]  # the first result, for repeats
    created_at: Mapped[Time]


class AnnotationRow(Base):
    """An answer; one of a user to a query stands at a time. An undo sets `withdrawn_at`."""

    __tablename__ = "annotations"
    __table_args__ = (
        UniqueConstraint("answer_id"),
        unique_where("uq_annotations_standing", "query_id", "user_id", where="withdrawn_at IS NULL"),
        ForeignKeyConstraint(
            ["project_id", "class_id"], ["classes.project_id", "classes.id"], name="fk_annotations_class"
        ),
        Index("ix_annotations_sample_id", "sample_id"),
        Index("ix_annotations_user_id", "user_id", "project_id", "id"),
        one_of("outcome", "class", "skip", "unsure", "flag"),
        CheckConstraint("(outcome = 'class') = (class_id IS NOT NULL)", name="class_given"),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    query_id: Mapped[Ref] = mapped_column(ForeignKey("queries.id"))
    sample_id: Mapped[Ref] = mapped_column(ForeignKey("samples.id"))
    user_id: Mapped[Ref] = mapped_column(ForeignKey("users.id"))
    claim_id: Mapped[Ref] = mapped_column(ForeignKey("claims.id"))
    answer_id: Mapped[Str]
    outcome: Mapped[Str]
    class_id: Mapped[Ref | None]
    note: Mapped[Str]
    shown_at: Mapped[Time | None]
    answered_at: Mapped[Time | None]
    latency_ms: Mapped[Time | None]
    prediction_shown: Mapped[bool]
    shown: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # what else the annotator saw before answering
    mode: Mapped[Str]
    client_version: Mapped[Str]
    created_at: Mapped[Time]
    withdrawn_at: Mapped[Time | None]


class LabelTableRow(Base):
    """The class of a sample as of now; `rebuild` makes the same from events alone."""

    __tablename__ = "labels"
    __table_args__ = (
        UniqueConstraint("sample_id"),
        ForeignKeyConstraint(["project_id", "class_id"], ["classes.project_id", "classes.id"], name="fk_labels_class"),
        Index("ix_labels_project_id", "project_id", "class_id"),
        one_of("origin", "consensus", "reviewer", "imported"),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    sample_id: Mapped[Ref] = mapped_column(ForeignKey("samples.id"))
    class_id: Mapped[Ref]
    origin: Mapped[Str]
    votes: Mapped[int]
    updated_at: Mapped[Time]


class GoldRow(Base):
    """A sample whose class is beyond doubt: asked now and then, unseen, to tell how well an annotator does."""

    __tablename__ = "gold"
    __table_args__ = (
        unique_where("uq_gold_live_sample", "sample_id", where="retired_at IS NULL"),
        ForeignKeyConstraint(["project_id", "class_id"], ["classes.project_id", "classes.id"], name="fk_gold_class"),
        Index("ix_gold_project_id", "project_id"),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    sample_id: Mapped[Ref] = mapped_column(ForeignKey("samples.id"))
    class_id: Mapped[Ref]
    created_by: Mapped[Ref] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]
    retired_at: Mapped[Time | None]
