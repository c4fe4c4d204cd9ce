"""Synthetic samples: generator versions, their images, the gate's decisions, and what was decided since.

`synthetic_samples` is made anew: no version of Borderline ever wrote a row into the one of 0001. A project that is
there keeps what it did before: it is trained as it was, and nothing is made for it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DECIDERS = "decided_by IN ('gate', 'class review', 'image review', 'class removed')"
NEW_COLUMNS: dict[str, tuple[tuple[str, Any, str], ...]] = {  # name, type, default
    "projects": (
        ("balance", sa.Text, "none"),
        ("generate", sa.Text, "none"),
        ("generate_below", sa.Integer, "100"),
        ("copy_check_share", sa.Float, "0"),
    ),
    "model_versions": (("synthetic_used", sa.Integer, "0"),),
}
NEW_TABLES = ("synthetic_events", "gate_decisions", "synthetic_samples", "generator_versions")

# A later migration that alters `samples` or `synthetic_events` on SQLite makes a new table: it must create the
# triggers of that table again.
MADE = "EXISTS (SELECT 1 FROM synthetic_samples WHERE {0} = NEW.sha256)"
IS_MADE = f"{MADE.format('sha256')} OR {MADE.format('pixels_sha256')}"
NO_SAMPLE = "this image was made by a generator and is no sample"
SQLITE_TRIGGERS = (
    f"CREATE TRIGGER samples_no_synthetic_insert BEFORE INSERT ON samples WHEN {IS_MADE} "
    f"BEGIN SELECT RAISE(ABORT, '{NO_SAMPLE}'); END",
    f"CREATE TRIGGER samples_no_synthetic_update BEFORE UPDATE OF sha256 ON samples WHEN {IS_MADE} "
    f"BEGIN SELECT RAISE(ABORT, '{NO_SAMPLE}'); END",
    "CREATE TRIGGER synthetic_events_no_update BEFORE UPDATE ON synthetic_events "
    "BEGIN SELECT RAISE(ABORT, 'synthetic_events is append-only'); END",
    "CREATE TRIGGER synthetic_events_no_delete BEFORE DELETE ON synthetic_events "
    "BEGIN SELECT RAISE(ABORT, 'synthetic_events is append-only'); END",
)
POSTGRESQL_TRIGGERS = (
    "CREATE FUNCTION refuse_synthetic() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    f"IF {IS_MADE} THEN RAISE EXCEPTION '{NO_SAMPLE}' USING ERRCODE = 'integrity_constraint_violation'; END IF; "
    "RETURN NEW; END $$",
    "CREATE TRIGGER samples_no_synthetic BEFORE INSERT OR UPDATE OF sha256 ON samples "
    "FOR EACH ROW EXECUTE FUNCTION refuse_synthetic()",
    "CREATE FUNCTION refuse_synthetic_change() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'synthetic_events is append-only'; END $$",
    "CREATE TRIGGER synthetic_events_no_change BEFORE UPDATE OR DELETE ON synthetic_events "
    "FOR EACH ROW EXECUTE FUNCTION refuse_synthetic_change()",
    "CREATE TRIGGER synthetic_events_no_truncate BEFORE TRUNCATE ON synthetic_events "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_synthetic_change()",
)


def upgrade() -> None:
    """Add the columns, the tables and the triggers."""
    for table, columns in NEW_COLUMNS.items():
        for name, kind, default in columns:
            op.add_column(table, sa.Column(name, kind(), nullable=False, server_default=default))
    op.drop_table("synthetic_samples")
    _generators()
    _samples()
    _decisions()
    _events()
    for statement in SQLITE_TRIGGERS if _on_sqlite() else POSTGRESQL_TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    """Drop the tables with all that was made and decided (files stay), and put the empty one of 0001 back."""
    if _on_sqlite():
        op.execute("DROP TRIGGER samples_no_synthetic_insert")
        op.execute("DROP TRIGGER samples_no_synthetic_update")
    else:
        op.execute("DROP TRIGGER samples_no_synthetic ON samples")
        op.execute("DROP FUNCTION refuse_synthetic()")
    for table in NEW_TABLES:
        op.drop_table(table)
    if not _on_sqlite():
        op.execute("DROP FUNCTION refuse_synthetic_change()")
    _samples_of_0001()
    for table, columns in NEW_COLUMNS.items():
        for name, _, _ in columns:
            op.drop_column(table, name)


def _on_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _generators() -> None:
    op.create_table(
        "generator_versions",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("round_id", BIG_ID, nullable=True),
        sa.Column("file_id", BIG_ID, nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("labels_used", sa.Integer(), nullable=False),
        sa.Column("pool_count", sa.Integer(), nullable=False),
        sa.Column("pool_sha256", sa.Text(), nullable=True),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('gan', 'translation', 'custom')", name=op.f("ck_generator_versions_kind")),
        sa.CheckConstraint(
            "number >= 1 AND labels_used >= 0 AND pool_count >= 0", name=op.f("ck_generator_versions_numbers")
        ),
        sa.CheckConstraint(
            "pool_sha256 IS NULL OR length(pool_sha256) = 64", name=op.f("ck_generator_versions_pool_sha256")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_generator_versions_project_id")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_generator_versions_round_id")),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_generator_versions_file_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_generator_versions")),
        sa.UniqueConstraint("project_id", "number", name=op.f("uq_generator_versions_project_id_number")),
        sa.UniqueConstraint("project_id", "key", name=op.f("uq_generator_versions_project_id_key")),
    )
    op.create_index("ix_generator_versions_round_id", "generator_versions", ["round_id"])


def _version(table: str) -> tuple[Any, ...]:
    """What the tables below have in common: they belong to a project, a version and a class of it."""
    version = f"fk_{table}_generator_version_id"
    return (
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f(f"fk_{table}_project_id")),
        sa.ForeignKeyConstraint(["generator_version_id"], ["generator_versions.id"], name=op.f(version)),
        sa.ForeignKeyConstraint(
            ["project_id", "class_id"], ["classes.project_id", "classes.id"], name=f"fk_{table}_class"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )


def _columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("generator_version_id", BIG_ID, nullable=False),
        sa.Column("class_id", BIG_ID, nullable=False),
    )


def _samples() -> None:
    table = "synthetic_samples"
    op.create_table(
        table,
        *_columns(),
        sa.Column("file_id", BIG_ID, nullable=False),
        sa.Column("file_row", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("pixels_sha256", sa.Text(), nullable=False),
        sa.Column("display_file_id", BIG_ID, nullable=False),
        sa.Column("display_offset", sa.BigInteger(), nullable=False),
        sa.Column("display_length", sa.BigInteger(), nullable=False),
        sa.Column("nearest_sample_id", BIG_ID, nullable=True),
        sa.Column("nearest_distance", sa.Float(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_by_user", BIG_ID, nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        *_version(table),
        sa.CheckConstraint("state IN ('candidate', 'accepted', 'rejected')", name=op.f(f"ck_{table}_state")),
        sa.CheckConstraint(DECIDERS, name=op.f(f"ck_{table}_decided_by")),
        sa.CheckConstraint("(state = 'candidate') = (decided_by IS NULL)", name=op.f(f"ck_{table}_decided")),
        sa.CheckConstraint(
            "weight >= 0 AND weight <= 1 AND (weight > 0 OR state <> 'accepted')", name=op.f(f"ck_{table}_weight")
        ),
        sa.CheckConstraint("length(sha256) = 64 AND length(pixels_sha256) = 64", name=op.f(f"ck_{table}_sha256")),
        sa.CheckConstraint(
            "file_row >= 0 AND display_offset >= 0 AND display_length >= 1", name=op.f(f"ck_{table}_place")
        ),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f(f"fk_{table}_file_id")),
        sa.ForeignKeyConstraint(["display_file_id"], ["files.id"], name=op.f(f"fk_{table}_display_file_id")),
        sa.ForeignKeyConstraint(["nearest_sample_id"], ["samples.id"], name=op.f(f"fk_{table}_nearest_sample_id")),
        sa.ForeignKeyConstraint(["decided_by_user"], ["users.id"], name=op.f(f"fk_{table}_decided_by_user")),
        sa.UniqueConstraint("file_id", "file_row", name=op.f(f"uq_{table}_file_id_file_row")),
    )
    op.create_index(f"ix_{table}_class", table, ["project_id", "class_id", "state"])
    op.create_index(f"ix_{table}_version", table, ["generator_version_id", "class_id"])
    op.create_index(f"ix_{table}_sha256", table, ["sha256"])
    op.create_index(f"ix_{table}_pixels_sha256", table, ["pixels_sha256"])


def _decisions() -> None:
    table, one = "gate_decisions", "uq_gate_decisions_generator_version_id_class_id"
    op.create_table(
        table,
        *_columns(),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("real_count", sa.Integer(), nullable=False),
        sa.Column("made_count", sa.Integer(), nullable=False),
        sa.Column("checks", sa.JSON(), nullable=False),
        sa.Column("test", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        *_version(table),
        sa.CheckConstraint("verdict IN ('accepted', 'refused')", name=op.f(f"ck_{table}_verdict")),
        sa.CheckConstraint(
            "weight >= 0 AND weight <= 1 AND (verdict = 'accepted') = (weight > 0)", name=op.f(f"ck_{table}_weight")
        ),
        sa.CheckConstraint("real_count >= 0 AND made_count >= 0", name=op.f(f"ck_{table}_counts")),
        sa.UniqueConstraint("generator_version_id", "class_id", name=op.f(one)),
    )


def _events() -> None:
    table = "synthetic_events"
    op.create_table(
        table,
        *_columns(),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("against_gate", sa.Boolean(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("sample_ids", sa.JSON(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        *_version(table),
        sa.CheckConstraint("verdict IN ('accepted', 'rejected')", name=op.f(f"ck_{table}_verdict")),
        sa.CheckConstraint(DECIDERS, name=op.f(f"ck_{table}_decided_by")),
        sa.CheckConstraint(
            "(decided_by = 'image review') = (sample_ids IS NOT NULL)", name=op.f(f"ck_{table}_sample_ids")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id")),
    )
    op.create_index(f"ix_{table}_version", table, ["generator_version_id", "class_id"])
    asked = sa.text("request_id IS NOT NULL")
    name = f"uq_{table}_request_id"
    op.create_index(name, table, ["request_id"], unique=True, sqlite_where=asked, postgresql_where=asked)


def _samples_of_0001() -> None:
    table = "synthetic_samples"
    op.create_table(
        table,
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("class_id", BIG_ID, nullable=False),
        sa.Column("file_id", BIG_ID, nullable=False),
        sa.Column("file_row", sa.Integer(), nullable=False),
        sa.Column("generator_file_id", BIG_ID, nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("quality", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('candidate', 'accepted', 'rejected')", name=op.f(f"ck_{table}_state")),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f(f"fk_{table}_file_id")),
        sa.ForeignKeyConstraint(["generator_file_id"], ["files.id"], name=op.f(f"fk_{table}_generator_file_id")),
        sa.ForeignKeyConstraint(
            ["project_id", "class_id"], ["classes.project_id", "classes.id"], name=f"fk_{table}_class"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f(f"fk_{table}_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("file_id", "file_row", name=op.f(f"uq_{table}_file_id_file_row")),
    )
