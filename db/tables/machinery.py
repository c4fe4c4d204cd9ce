"""Jobs under way, schedules, wishes from the page, the outbox, and who is told of it."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, Id, Json, Ref, Str, Time, one_of, unique_where


class JobRow(Base):
    """Long work. `scope` names its project, or 'all'; one job of a kind runs in a scope at a time."""

    __tablename__ = "jobs"
    __table_args__ = (
        unique_where("uq_jobs_running", "scope", "kind", where="state = 'running'"),
        Index("ix_jobs_scope", "scope", "kind", "id"),
        one_of("state", "running", "done", "failed", "canceled"),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref | None] = mapped_column(ForeignKey("projects.id"))
    scope: Mapped[Str]
    kind: Mapped[Str]
    owner: Mapped[Str]
    state: Mapped[Str]
    attempt: Mapped[int]
    done: Mapped[Time]
    total: Mapped[Time]
    message: Mapped[Str]
    error: Mapped[Str]
    started_by: Mapped[Ref] = mapped_column(ForeignKey("users.id"))
    started_at: Mapped[Time]
    heartbeat_at: Mapped[Time]
    ended_at: Mapped[Time | None]
    cancel_requested_at: Mapped[Time | None]


class CommandRow(Base):
    """Something the page wants done, carried out by the reconcile flow. A key makes a repeat harmless."""

    __tablename__ = "commands"
    __table_args__ = (
        UniqueConstraint("key"),
        one_of("state", "pending", "done", "failed"),
        Index(
            "ix_commands_pending",
            "id",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref | None] = mapped_column(ForeignKey("projects.id"))
    kind: Mapped[Str]
    payload: Mapped[Json]
    key: Mapped[Str]
    state: Mapped[Str]
    message: Mapped[Str]
    created_by: Mapped[Ref] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]
    finished_at: Mapped[Time | None]


class ScheduleRow(Base):
    """When a kind of work runs by itself. `scope` names its project, or 'all'; one a trigger.

    `last_slot` is the moment (or, for 'labels', the number of labels) that was answered last, so that no two starters
    answer the same one.
    """

    __tablename__ = "schedules"
    __table_args__ = (
        UniqueConstraint("scope", "kind", "trigger"),
        one_of("kind", "retrain", "backup"),
        one_of("trigger", "cron", "interval", "labels"),
        CheckConstraint("seconds IS NULL OR seconds >= 1", name="seconds"),
        CheckConstraint("labels IS NULL OR labels >= 1", name="labels"),
    )

    id: Mapped[Id]
    project_id: Mapped[Ref | None] = mapped_column(ForeignKey("projects.id"))
    scope: Mapped[Str]
    kind: Mapped[Str]
    trigger: Mapped[Str]
    cron: Mapped[Str]  # empty unless the trigger is 'cron'
    timezone: Mapped[Str]
    seconds: Mapped[Time | None]
    labels: Mapped[Time | None]
    is_on: Mapped[bool]
    created_by: Mapped[Ref] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]
    changed_at: Mapped[Time]
    last_slot: Mapped[Time | None]
    last_started_at: Mapped[Time | None]


class OutboxRow(Base):
    """A message written in the transaction it tells of, and sent on at least once afterwards."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_unsent", "id", sqlite_where=text("sent_at IS NULL"), postgresql_where=text("sent_at IS NULL")),
    )

    id: Mapped[Id]
    topic: Mapped[Str]
    project_id: Mapped[Ref | None] = mapped_column(ForeignKey("projects.id"))
    payload: Mapped[Json]
    created_at: Mapped[Time]
    sent_at: Mapped[Time | None]


class WebhookRow(Base):
    """An address that is told what happens in a project. The secret signs each message, so it is stored as it is."""

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_project_id", "project_id"),)

    id: Mapped[Id]
    project_id: Mapped[Ref] = mapped_column(ForeignKey("projects.id"))
    url: Mapped[Str]
    secret: Mapped[Str]
    topics: Mapped[Str]  # comma-separated
    created_by: Mapped[Ref] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]
    disabled_at: Mapped[Time | None]


class WebhookDeliveryRow(Base):
    """One message to one address, at least once; receivers tell repeats by its id."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("webhook_id", "outbox_id"),
        one_of("state", "pending", "done", "failed"),
        Index(
            "ix_webhook_deliveries_pending",
            "next_at",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
    )

    id: Mapped[Id]
    webhook_id: Mapped[Ref] = mapped_column(ForeignKey("webhooks.id"))
    outbox_id: Mapped[Ref] = mapped_column(ForeignKey("outbox.id"))
    state: Mapped[Str]
    attempt: Mapped[int]
    next_at: Mapped[Time]
    status: Mapped[int | None]  # of the last HTTP answer
    error: Mapped[Str]
    created_at: Mapped[Time]
    finished_at: Mapped[Time | None]
