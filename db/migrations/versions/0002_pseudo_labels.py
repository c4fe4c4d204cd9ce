"""Pseudo-labels of rounds, and what chooses a project's first batch.

A project that is there keeps what it did before: a random batch until there is a model.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OLD_KINDS = ["pixels", "display", "original", "model", "copies", "synthetic", "generator", "export", "checkpoint"]
NEW_KIND = "pseudo_labels"


def upgrade() -> None:
    """Add the column, the kind of file and the table."""
    op.add_column("projects", sa.Column("cold_start", sa.Text(), nullable=False, server_default="random_sampling"))
    _allow_kinds([*OLD_KINDS, NEW_KIND])
    op.create_table(
        "pseudo_labels",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("round_id", BIG_ID, nullable=False),
        sa.Column("file_id", BIG_ID, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("count >= 1", name=op.f("ck_pseudo_labels_count")),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_pseudo_labels_file_id")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_pseudo_labels_round_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pseudo_labels")),
        sa.UniqueConstraint("round_id", name=op.f("uq_pseudo_labels_round_id")),
    )


def downgrade() -> None:
    """Drop the pseudo-labels, with the rows of their files, and the column."""
    op.drop_table("pseudo_labels")
    files = sa.table("files", sa.column("kind"))
    op.execute(sa.delete(files).where(files.c.kind == NEW_KIND))
    _allow_kinds(OLD_KINDS)
    op.drop_column("projects", "cold_start")


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
