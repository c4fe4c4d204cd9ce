"""A kind of query more: an adversarial copy that annotators see among the images, to check its class."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OLD_KINDS = ["learn", "holdout", "gold", "confirm", "spot_check"]
NEW_KIND = "copy_check"


def upgrade() -> None:
    """Allow the kind."""
    _allow_kinds([*OLD_KINDS, NEW_KIND])


def downgrade() -> None:
    """Keep checks of copies as gold without an expected class, whose answers are no votes either, and ask none of them.

    Refused by the database in the rare case that the same image was gold in the same round.
    """
    queries = sa.table(
        "queries", *(sa.column(name) for name in ("kind", "state", "closed_at", "created_at", "details"))
    )
    checks = sa.update(queries).where(queries.c.kind == NEW_KIND)
    over = {"state": "withdrawn", "closed_at": queries.c.created_at}
    op.execute(checks.where(queries.c.state == "open").values(over))
    op.execute(checks.values(kind="gold", details=sa.null()))
    _allow_kinds(OLD_KINDS)


def _allow_kinds(kinds: list[str]) -> None:
    words = ", ".join(f"'{kind}'" for kind in kinds)
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_queries_kind"), "queries", type_="check")
        op.create_check_constraint(op.f("ck_queries_kind"), "queries", f"kind IN ({words})")
        return
    # SQLite changes no CHECK: batch mode makes the table anew and copies its rows
    with op.batch_alter_table("queries", copy_from=_queries(words), recreate="always"):
        pass


def _queries(words: str) -> sa.Table:
    return sa.Table(
        "queries",
        sa.MetaData(),
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("round_id", BIG_ID, nullable=False),
        sa.Column("sample_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("reserve", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("decided", sa.Boolean(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("predicted", sa.Integer(), nullable=True),
        sa.Column("nearest", sa.Integer(), nullable=True),
        sa.Column("expected", sa.Integer(), nullable=True),
        sa.Column("copy_row", sa.Integer(), nullable=True),
        sa.Column("group_key", sa.Text(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(f"kind IN ({words})", name=op.f("ck_queries_kind")),
        sa.CheckConstraint("state IN ('open', 'closed', 'withdrawn')", name=op.f("ck_queries_state")),
        sa.CheckConstraint("slots >= 1 AND token >= 0", name=op.f("ck_queries_slots")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_queries_project_id")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_queries_round_id")),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.id"], name=op.f("fk_queries_sample_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queries")),
        sa.UniqueConstraint("id", "slots", name=op.f("uq_queries_id_slots")),
        sa.UniqueConstraint("round_id", "sample_id", "kind", name=op.f("uq_queries_round_id_sample_id_kind")),
        sa.Index("ix_queries_queue", "project_id", "state", "reserve", "round_id", "rank"),
        sa.Index("ix_queries_sample_id", "sample_id"),
        sa.Index(
            "uq_queries_open_sample",
            "sample_id",
            unique=True,
            sqlite_where=sa.text("state = 'open' AND kind IN ('learn', 'holdout', 'confirm')"),
        ),
    )
