"""The first tables, with the triggers that keep annotation events append-only."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "users",
    "projects",
    "classes",
    "commands",
    "files",
    "jobs",
    "memberships",
    "outbox",
    "rounds",
    "model_versions",
    "shards",
    "synthetic_samples",
    "round_models",
    "samples",
    "adversarial_copies",
    "labels",
    "predictions",
    "queries",
    "annotation_events",
    "claims",
    "annotations",
)

# A later migration that alters this table on SQLite makes a new table: it must create these triggers again.
SQLITE_TRIGGERS = """
CREATE TRIGGER annotation_events_no_update BEFORE UPDATE ON annotation_events
BEGIN SELECT RAISE(ABORT, 'annotation_events is append-only'); END;
CREATE TRIGGER annotation_events_no_delete BEFORE DELETE ON annotation_events
BEGIN SELECT RAISE(ABORT, 'annotation_events is append-only'); END;
"""
POSTGRESQL_TRIGGERS = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'annotation_events is append-only'; END $$;
CREATE TRIGGER annotation_events_no_update BEFORE UPDATE ON annotation_events
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER annotation_events_no_delete BEFORE DELETE ON annotation_events
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER annotation_events_no_truncate BEFORE TRUNCATE ON annotation_events
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


def only(where: str) -> dict[str, Any]:
    """Arguments of a partial index, alike on both engines."""
    return {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}


def upgrade() -> None:
    """Create every table, then the triggers."""
    op.create_table(
        "users",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('person', 'system')", name=op.f("ck_users_kind")),
        sa.CheckConstraint("role IN ('viewer', 'annotator', 'reviewer', 'administrator')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
        sa.UniqueConstraint("subject", name=op.f("uq_users_subject")),
    )
    op.create_table(
        "projects",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("image_size", sa.Integer(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("weights", sa.Text(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("batch_size", sa.Integer(), nullable=False),
        sa.Column("reserve_size", sa.Integer(), nullable=True),
        sa.Column("overlap", sa.Integer(), nullable=False),
        sa.Column("holdout_size", sa.Integer(), nullable=False),
        sa.Column("holdout_share", sa.Float(), nullable=False),
        sa.Column("guidelines", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("show_predictions", sa.Boolean(), nullable=False),
        sa.Column("holdout_drawn_at", sa.BigInteger(), nullable=True),
        sa.Column("created_by", BIG_ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('labeling', 'simulation')", name=op.f("ck_projects_kind")),
        sa.CheckConstraint("state IN ('active', 'paused', 'finished')", name=op.f("ck_projects_state")),
        sa.CheckConstraint("batch_size >= 1 AND overlap >= 1 AND holdout_size >= 0", name=op.f("ck_projects_sizes")),
        sa.CheckConstraint("holdout_share >= 0 AND holdout_share <= 1", name=op.f("ck_projects_share")),
        sa.CheckConstraint("image_size >= 1 AND channels IN (1, 3)", name=op.f("ck_projects_image")),
        sa.CheckConstraint("reserve_size IS NULL OR reserve_size >= 0", name=op.f("ck_projects_reserve")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_projects_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
    )
    op.create_index("uq_projects_live_name", "projects", ["name"], unique=True, **only("deleted_at IS NULL"))

    op.create_table(
        "classes",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("position >= 0", name=op.f("ck_classes_position")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_classes_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_classes")),
        sa.UniqueConstraint("project_id", "id", name=op.f("uq_classes_project_id_id")),
        sa.UniqueConstraint("project_id", "position", name=op.f("uq_classes_project_id_position")),
    )
    op.create_index("uq_classes_live_key", "classes", ["project_id", "key"], unique=True, **only("retired_at IS NULL"))
    op.create_index(
        "uq_classes_live_name", "classes", ["project_id", "name"], unique=True, **only("retired_at IS NULL")
    )

    op.create_table(
        "commands",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created_by", BIG_ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'done', 'failed')", name=op.f("ck_commands_state")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_commands_created_by")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_commands_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
        sa.UniqueConstraint("key", name=op.f("uq_commands_key")),
    )
    op.create_index("ix_commands_pending", "commands", ["id"], **only("state = 'pending'"))

    op.create_table(
        "files",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('pixels', 'display', 'original', 'model', 'copies', 'synthetic', 'generator', 'export', "
            "'checkpoint')",
            name=op.f("ck_files_kind"),
        ),
        sa.CheckConstraint("length(sha256) = 64 AND size >= 0", name=op.f("ck_files_content")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_files_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
        sa.UniqueConstraint("path", name=op.f("uq_files_path")),
    )
    op.create_index("ix_files_project_id", "files", ["project_id"])

    op.create_table(
        "jobs",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=True),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("started_by", BIG_ID, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("cancel_requested_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('running', 'done', 'failed', 'canceled')", name=op.f("ck_jobs_state")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_jobs_project_id")),
        sa.ForeignKeyConstraint(["started_by"], ["users.id"], name=op.f("fk_jobs_started_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_scope", "jobs", ["scope", "kind", "id"])
    op.create_index("uq_jobs_running", "jobs", ["scope", "kind"], unique=True, **only("state = 'running'"))

    op.create_table(
        "memberships",
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "role IN ('viewer', 'annotator', 'reviewer', 'administrator')", name=op.f("ck_memberships_role")
        ),
        sa.CheckConstraint("state IN ('active', 'paused', 'excluded')", name=op.f("ck_memberships_state")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_memberships_project_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_memberships_user_id")),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("pk_memberships")),
    )
    op.create_index("ix_memberships_user_id", "memberships", ["user_id"])

    op.create_table(
        "outbox",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("project_id", BIG_ID, nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_outbox_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_unsent", "outbox", ["id"], **only("sent_at IS NULL"))

    op.create_table(
        "rounds",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("k", sa.Integer(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("labels_before", sa.Integer(), nullable=False),
        sa.Column("diagnostics", sa.JSON(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=True),
        sa.Column("completed_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('preparing', 'open', 'closed')", name=op.f("ck_rounds_state")),
        sa.CheckConstraint("number >= 1 AND k >= 0 AND attempt >= 1", name=op.f("ck_rounds_numbers")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_rounds_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rounds")),
        sa.UniqueConstraint("project_id", "number", name=op.f("uq_rounds_project_id_number")),
    )
    op.create_index(
        "uq_rounds_unfinished", "rounds", ["project_id"], unique=True, **only("state IN ('preparing', 'open')")
    )

    op.create_table(
        "model_versions",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("round_id", BIG_ID, nullable=True),
        sa.Column("file_id", BIG_ID, nullable=False),
        sa.Column("architecture", sa.Text(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("labels_used", sa.Integer(), nullable=False),
        sa.Column("copies_used", sa.Integer(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_model_versions_file_id")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_model_versions_project_id")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_model_versions_round_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_versions")),
        sa.UniqueConstraint("project_id", "number", name=op.f("uq_model_versions_project_id_number")),
    )
    op.create_index("ix_model_versions_round_id", "model_versions", ["round_id"])
    op.create_index("uq_model_versions_current", "model_versions", ["project_id"], unique=True, **only("is_current"))

    op.create_table(
        "shards",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("pixels_file_id", BIG_ID, nullable=False),
        sa.Column("display_file_id", BIG_ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["display_file_id"], ["files.id"], name=op.f("fk_shards_display_file_id")),
        sa.ForeignKeyConstraint(["pixels_file_id"], ["files.id"], name=op.f("fk_shards_pixels_file_id")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_shards_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shards")),
        sa.UniqueConstraint("pixels_file_id", name=op.f("uq_shards_pixels_file_id")),
    )
    op.create_index("ix_shards_project_id", "shards", ["project_id"])

    op.create_table(
        "synthetic_samples",
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
        sa.CheckConstraint("state IN ('candidate', 'accepted', 'rejected')", name=op.f("ck_synthetic_samples_state")),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_synthetic_samples_file_id")),
        sa.ForeignKeyConstraint(
            ["generator_file_id"], ["files.id"], name=op.f("fk_synthetic_samples_generator_file_id")
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "class_id"], ["classes.project_id", "classes.id"], name="fk_synthetic_samples_class"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_synthetic_samples_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_synthetic_samples")),
        sa.UniqueConstraint("file_id", "file_row", name=op.f("uq_synthetic_samples_file_id_file_row")),
    )
    op.create_table(
        "round_models",
        sa.Column("round_id", BIG_ID, nullable=False),
        sa.Column("model_version_id", BIG_ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_versions.id"], name=op.f("fk_round_models_model_version_id")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_round_models_round_id")),
        sa.PrimaryKeyConstraint("round_id", name=op.f("pk_round_models")),
    )
    op.create_table(
        "samples",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("known_class_id", BIG_ID, nullable=True),
        sa.Column("known_hidden", sa.Boolean(), nullable=False),
        sa.Column("shard_id", BIG_ID, nullable=False),
        sa.Column("shard_row", sa.Integer(), nullable=False),
        sa.Column("display_offset", sa.BigInteger(), nullable=False),
        sa.Column("display_length", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("source_path", sa.Text(), nullable=True),
        sa.Column("original_file_id", BIG_ID, nullable=True),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("split IN ('pool', 'holdout', 'validation', 'test')", name=op.f("ck_samples_split")),
        sa.CheckConstraint("length(sha256) = 64", name=op.f("ck_samples_sha256")),
        sa.CheckConstraint(
            "shard_row >= 0 AND display_offset >= 0 AND display_length >= 0", name=op.f("ck_samples_place")
        ),
        sa.ForeignKeyConstraint(["original_file_id"], ["files.id"], name=op.f("fk_samples_original_file_id")),
        sa.ForeignKeyConstraint(
            ["project_id", "known_class_id"], ["classes.project_id", "classes.id"], name="fk_samples_known_class"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_samples_project_id")),
        sa.ForeignKeyConstraint(["shard_id"], ["shards.id"], name=op.f("fk_samples_shard_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_samples")),
        sa.UniqueConstraint("project_id", "sha256", name=op.f("uq_samples_project_id_sha256")),
        sa.UniqueConstraint("shard_id", "shard_row", name=op.f("uq_samples_shard_id_shard_row")),
    )
    op.create_index("ix_samples_project_id_split", "samples", ["project_id", "split", "deleted_at"])

    op.create_table(
        "adversarial_copies",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("round_id", BIG_ID, nullable=False),
        sa.Column("sample_id", BIG_ID, nullable=False),
        sa.Column("file_id", BIG_ID, nullable=False),
        sa.Column("file_row", sa.Integer(), nullable=False),
        sa.Column("distance", sa.Float(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_adversarial_copies_file_id")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_adversarial_copies_round_id")),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.id"], name=op.f("fk_adversarial_copies_sample_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adversarial_copies")),
        sa.UniqueConstraint("file_id", "file_row", name=op.f("uq_adversarial_copies_file_id_file_row")),
        sa.UniqueConstraint("round_id", "sample_id", name=op.f("uq_adversarial_copies_round_id_sample_id")),
    )
    op.create_table(
        "labels",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("sample_id", BIG_ID, nullable=False),
        sa.Column("class_id", BIG_ID, nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("votes", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("origin IN ('consensus', 'reviewer', 'imported')", name=op.f("ck_labels_origin")),
        sa.ForeignKeyConstraint(
            ["project_id", "class_id"], ["classes.project_id", "classes.id"], name="fk_labels_class"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_labels_project_id")),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.id"], name=op.f("fk_labels_sample_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labels")),
        sa.UniqueConstraint("sample_id", name=op.f("uq_labels_sample_id")),
    )
    op.create_index("ix_labels_project_id", "labels", ["project_id", "class_id"])

    op.create_table(
        "predictions",
        sa.Column("model_version_id", BIG_ID, nullable=False),
        sa.Column("sample_id", BIG_ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.CheckConstraint("probability >= 0 AND probability <= 1", name=op.f("ck_predictions_probability")),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_versions.id"], name=op.f("fk_predictions_model_version_id")
        ),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.id"], name=op.f("fk_predictions_sample_id")),
        sa.PrimaryKeyConstraint("model_version_id", "sample_id", name=op.f("pk_predictions")),
    )
    op.create_table(
        "queries",
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
        sa.CheckConstraint(
            "kind IN ('learn', 'holdout', 'gold', 'confirm', 'spot_check')", name=op.f("ck_queries_kind")
        ),
        sa.CheckConstraint("state IN ('open', 'closed', 'withdrawn')", name=op.f("ck_queries_state")),
        sa.CheckConstraint("slots >= 1 AND token >= 0", name=op.f("ck_queries_slots")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_queries_project_id")),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_queries_round_id")),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.id"], name=op.f("fk_queries_sample_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queries")),
        sa.UniqueConstraint("id", "slots", name=op.f("uq_queries_id_slots")),
        sa.UniqueConstraint("round_id", "sample_id", name=op.f("uq_queries_round_id_sample_id")),
    )
    op.create_index("ix_queries_queue", "queries", ["project_id", "state", "reserve", "round_id", "rank"])
    op.create_index("ix_queries_sample_id", "queries", ["sample_id"])
    op.create_index(
        "uq_queries_open_sample",
        "queries",
        ["sample_id"],
        unique=True,
        **only("state = 'open' AND kind IN ('learn', 'holdout', 'confirm')"),
    )

    op.create_table(
        "annotation_events",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("sample_id", BIG_ID, nullable=False),
        sa.Column("query_id", BIG_ID, nullable=True),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("answer_id", sa.Text(), nullable=True),
        sa.Column("target_id", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("class_id", BIG_ID, nullable=True),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("receipt", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('answer', 'draft', 'undo', 'import', 'decide', 'review', 'withdraw')",
            name=op.f("ck_annotation_events_kind"),
        ),
        sa.CheckConstraint("outcome IN ('class', 'skip', 'unsure', 'flag')", name=op.f("ck_annotation_events_outcome")),
        sa.ForeignKeyConstraint(
            ["project_id", "class_id"], ["classes.project_id", "classes.id"], name="fk_annotation_events_class"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_annotation_events_project_id")),
        sa.ForeignKeyConstraint(["query_id"], ["queries.id"], name=op.f("fk_annotation_events_query_id")),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.id"], name=op.f("fk_annotation_events_sample_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_annotation_events_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotation_events")),
        sa.UniqueConstraint("answer_id", name=op.f("uq_annotation_events_answer_id")),
    )
    op.create_index("ix_annotation_events_sample_id", "annotation_events", ["sample_id", "kind"])

    op.create_table(
        "claims",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("query_id", BIG_ID, nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "slot < slots OR NOT (state IN ('leased', 'done'))", name=op.f("ck_claims_slot_below_slots")
        ),
        sa.CheckConstraint(
            "state IN ('leased', 'done', 'passed', 'released', 'expired', 'undone')", name=op.f("ck_claims_state")
        ),
        sa.CheckConstraint("slot >= 0", name=op.f("ck_claims_slot")),
        sa.ForeignKeyConstraint(
            ["query_id", "slots"], ["queries.id", "queries.slots"], name="fk_claims_query_slots", onupdate="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_claims_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claims")),
        sa.UniqueConstraint("query_id", "token", name=op.f("uq_claims_query_id_token")),
    )
    op.create_index("ix_claims_user_id", "claims", ["user_id", "state"])
    op.create_index(
        "uq_claims_active_slot", "claims", ["query_id", "slot"], unique=True, **only("state IN ('leased', 'done')")
    )
    op.create_index(
        "uq_claims_active_user", "claims", ["query_id", "user_id"], unique=True, **only("state IN ('leased', 'done')")
    )

    op.create_table(
        "annotations",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("project_id", BIG_ID, nullable=False),
        sa.Column("query_id", BIG_ID, nullable=False),
        sa.Column("sample_id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("claim_id", BIG_ID, nullable=False),
        sa.Column("answer_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("class_id", BIG_ID, nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("shown_at", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("latency_ms", sa.BigInteger(), nullable=True),
        sa.Column("prediction_shown", sa.Boolean(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("client_version", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(outcome = 'class') = (class_id IS NOT NULL)", name=op.f("ck_annotations_class_given")),
        sa.CheckConstraint("outcome IN ('class', 'skip', 'unsure', 'flag')", name=op.f("ck_annotations_outcome")),
        sa.ForeignKeyConstraint(["claim_id"], ["claims.id"], name=op.f("fk_annotations_claim_id")),
        sa.ForeignKeyConstraint(
            ["project_id", "class_id"], ["classes.project_id", "classes.id"], name="fk_annotations_class"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_annotations_project_id")),
        sa.ForeignKeyConstraint(["query_id"], ["queries.id"], name=op.f("fk_annotations_query_id")),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.id"], name=op.f("fk_annotations_sample_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_annotations_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotations")),
        sa.UniqueConstraint("answer_id", name=op.f("uq_annotations_answer_id")),
    )
    op.create_index("ix_annotations_sample_id", "annotations", ["sample_id"])
    op.create_index("ix_annotations_user_id", "annotations", ["user_id", "project_id", "id"])
    op.create_index(
        "uq_annotations_standing", "annotations", ["query_id", "user_id"], unique=True, **only("withdrawn_at IS NULL")
    )
    for statement in _triggers():
        op.execute(statement)


def _triggers() -> list[str]:
    if op.get_bind().dialect.name == "sqlite":
        return [part + "END;" for part in SQLITE_TRIGGERS.strip().split("END;") if part.strip()]
    return [part for part in POSTGRESQL_TRIGGERS.strip().split(";\n") if part.strip()]


def downgrade() -> None:
    """Drop everything."""
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")
