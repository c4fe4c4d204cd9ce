"""Schedules, which model version was chosen when and why, and a project's rule for that and its budget of labels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns and the tables."""
    op.add_column("projects", sa.Column("promote", sa.Text(), nullable=False, server_default="not_worse"))
    op.add_column("projects", sa.Column("promote_by", sa.Text(), nullable=False, server_default="accuracy"))
    op.add_column("projects", sa.Column("promote_margin", sa.Float(), nullable=False, server_default="0"))
    op.add_column("projects", sa.Column("label_budget", sa.BigInteger(), nullable=True))
    op.create_table(
        "schedules",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=True),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("cron", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=True),
        sa.Column("labels", sa.BigInteger(), nullable=True),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("created_by", BIG_ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("last_slot", sa.BigInteger(), nullable=True),
        sa.Column("last_started_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('retrain', 'backup')", name=op.f("ck_schedules_kind")),
        sa.CheckConstraint("trigger IN ('cron', 'interval', 'labels')", name=op.f("ck_schedules_trigger")),
        sa.CheckConstraint("seconds IS NULL OR seconds >= 1", name=op.f("ck_schedules_seconds")),
        sa.CheckConstraint("labels IS NULL OR labels >= 1", name=op.f("ck_schedules_labels")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_schedules_created_by")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_schedules_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        sa.UniqueConstraint("scope", "kind", "trigger", name=op.f("uq_schedules_scope_kind_trigger")),
    )
    op.create_table(
        "model_choices",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("model_version_id", BIG_ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("chosen_by", BIG_ID, nullable=False),
        sa.Column("chosen_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["chosen_by"], ["users.id"], name=op.f("fk_model_choices_chosen_by")),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_versions.id"], name=op.f("fk_model_choices_model_version_id")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_model_choices_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_choices")),
    )
    op.create_index("ix_model_choices_project_id", "model_choices", ["project_id", "id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("model_choices")
    op.drop_table("schedules")
    for column in ("label_budget", "promote_margin", "promote_by", "promote"):
        op.drop_column("projects", column)
