"""Rounds and the queries they ask."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, Id, Json, Ref, Str, Time, one_of, unique_where


class RoundRow(Base):
    """One turn. A project has one unfinished round at most."""

    __tablename__ = "rounds"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        unique_where("uq_rounds_unfinished", "project_id", where="state IN ('preparing', 'open')"),
        one_of("state", "preparing", "open", "closed"),
        CheckConstraint("number >= 1 AND k >= 0 AND attempt >= 1", name="numbers"),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    number: Mapped[int]
    state: Mapped[Str]
    k: Mapped[int]
    strategy: Mapped[Str]
    attempt: Mapped[int]
    labels_before: Mapped[int]
    diagnostics: Mapped[Json]
    begun_at: Mapped[Time]
    opened_at: Mapped[Time | None]
    completed_at: Mapped[Time | None]  # when its answers were in and the bell was rung
    closed_at: Mapped[Time | None]


class QueryRow(Base):
    """A sample asked in a round, of whom `slots` people each give one answer."""

    __tablename__ = "queries"
    __table_args__ = (
        UniqueConstraint("round_id", "sample_id", "kind"),  # a confirmed image may be spot-checked in the same round
        UniqueConstraint("id", "slots"),  # claims refer to both, so that a CHECK of theirs can see the slots
        unique_where(
            "uq_queries_open_sample", "sample_id", where="state = 'open' AND kind IN ('learn', 'holdout', 'confirm')"
        ),
        Index("ix_queries_queue", "project_id", "state", "reserve", "round_id", "rank"),
        Index("ix_queries_sample_id", "sample_id"),
        one_of("kind", "learn", "holdout", "gold", "confirm", "spot_check", "copy_check"),
        one_of("state", "open", "closed", "withdrawn"),
        CheckConstraint("slots >= 1 AND token >= 0", name="slots"),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    round_id: Mapped[Ref] = mapped_column(ForeignKey("rounds.id"))
    sample_id: Mapped[Ref] = mapped_column(ForeignKey("samples.id"))
    kind: Mapped[Str]
    rank: Mapped[int]
    reserve: Mapped[bool]
    state: Mapped[Str]
    slots: Mapped[int]
    token: Mapped[int]  # the last one given out; it only grows
    decided: Mapped[bool]  # closed with fewer votes than slots because nobody was left
    score: Mapped[float | None]
    predicted: Mapped[int | None]
    nearest: Mapped[int | None]
    expected: Mapped[int | None]
    copy_row: Mapped[int | None]
    group_key: Mapped[Str | None]
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[Time]
    closed_at: Mapped[Time | None]
