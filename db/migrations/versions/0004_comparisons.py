"""Comparisons of strategies: their runs, points and files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OLD_KINDS = ["pixels", "display", "original", "model", "copies", "synthetic", "generator", "export", "checkpoint"]
OLD_KINDS += ["pseudo_labels"]
NEW_KIND = "comparison"


def upgrade() -> None:
    """Add the kind of file and the tables."""
    _allow_kinds([*OLD_KINDS, NEW_KIND])
    _comparisons()
    _points()


def downgrade() -> None:
    """Drop the tables, with the rows of their files."""
    for table in ("comparison_files", "comparison_points", "comparison_runs", "comparisons"):
        op.drop_table(table)
    files = sa.table("files", sa.column("kind"))
    op.execute(sa.delete(files).where(files.c.kind == NEW_KIND))
    _allow_kinds(OLD_KINDS)


def _allow_kinds(kinds: list[str]) -> None:
    words = ", ".join(f"'{kind}'" for kind in kinds)
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_files_kind"), "files", type_="check")
        op.create_check_constraint(op.f("ck_files_kind"), "files", f"kind IN ({words})")
        return
    now = _files(words)  # SQLite changes no CHECK: batch mode makes the table anew and copies its rows
    with op.batch_alter_table("files", copy_from=now, recreate="always"):
        pass


def _files(words: str) -> sa.Table:
    return sa.Table(
        "files",
        sa.MetaData(),
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(f"kind IN ({words})", name=op.f("ck_files_kind")),
        sa.CheckConstraint("length(sha256) = 64 AND size >= 0", name=op.f("ck_files_content")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_files_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
        sa.UniqueConstraint("path", name=op.f("uq_files_path")),
        sa.Index("ix_files_project_id", "project_id"),
    )


def _comparisons() -> None:
    op.create_table(
        "comparisons",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("about", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("points_wanted", sa.Integer(), nullable=False),
        sa.Column("created_by", BIG_ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('running', 'stopped', 'done', 'failed')", name=op.f("ck_comparisons_state")),
        sa.CheckConstraint("points_wanted >= 1", name=op.f("ck_comparisons_points_wanted")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_comparisons_project_id")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_comparisons_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparisons")),
    )
    live = sa.text("deleted_at IS NULL")
    name, columns = "uq_comparisons_live_key", ["project_id", "key"]
    op.create_index(name, "comparisons", columns, unique=True, sqlite_where=live, postgresql_where=live)
    op.create_table(
        "comparison_runs",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("comparison_id", BIG_ID, nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'failed')", name=op.f("ck_comparison_runs_state")),
        sa.ForeignKeyConstraint(["comparison_id"], ["comparisons.id"], name=op.f("fk_comparison_runs_comparison_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparison_runs")),
        sa.UniqueConstraint("comparison_id", "arm", "seed", name=op.f("uq_comparison_runs_comparison_id_arm_seed")),
    )


def _points() -> None:
    share = "{0} >= 0 AND {0} <= 1"
    op.create_table(
        "comparison_points",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("run_id", BIG_ID, nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("accuracy", sa.Float(), nullable=False),
        sa.Column("balanced_accuracy", sa.Float(), nullable=False),
        sa.Column("class_recall", sa.JSON(), nullable=False),
        sa.Column("class_labels", sa.JSON(), nullable=False),
        sa.Column("queried", sa.JSON(), nullable=False),
        sa.Column("query_seconds", sa.Float(), nullable=True),
        sa.Column("train_seconds", sa.Float(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("labels >= 1 AND train_seconds >= 0", name=op.f("ck_comparison_points_numbers")),
        sa.CheckConstraint(share.format("accuracy"), name=op.f("ck_comparison_points_accuracy")),
        sa.CheckConstraint(share.format("balanced_accuracy"), name=op.f("ck_comparison_points_balanced_accuracy")),
        sa.ForeignKeyConstraint(["run_id"], ["comparison_runs.id"], name=op.f("fk_comparison_points_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparison_points")),
        sa.UniqueConstraint("run_id", "labels", name=op.f("uq_comparison_points_run_id_labels")),
    )
    op.create_table(
        "comparison_files",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("comparison_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("file_id", BIG_ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["comparison_id"], ["comparisons.id"], name=op.f("fk_comparison_files_comparison_id")),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_comparison_files_file_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparison_files")),
        sa.UniqueConstraint("comparison_id", "kind", "name", name=op.f("uq_comparison_files_comparison_id_kind_name")),
    )
    op.create_index("ix_comparison_files_file_id", "comparison_files", ["file_id"])
