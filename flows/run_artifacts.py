"""What a run leaves in Prefect at its end: a table of figures, and what it did in plain words.

The truth is in SQL and on the Progress page; a server that does not answer never makes a run fail.
"""

from __future__ import annotations

import logging
from typing import Any

from db import model_versions, projects, samples
from db.records import ModelVersion, Project
from flows.store import Store
from pipeline.reports.cells import markdown_text

logger = logging.getLogger(__name__)

_MEASURED = ("test", "validation")


def leave_artifacts(store: Store, project_id: int, version_id: int | None, sentence: str) -> None:
    """Write a table artifact and a Markdown artifact of the running Prefect flow.

    Args:
        store: The open store.
        project_id: Whose run.
        version_id: The model version that it made or kept; None without one.
        sentence: What came of it.
    """
    try:
        from prefect.artifacts import create_markdown_artifact, create_table_artifact

        project = projects.get_project(store.database, store.actor, project_id)
        found = version_id and model_versions.get(store.database, store.actor, project_id, version_id)
        rows = figures(project, samples.counts(store.database, project_id).labels, found or None)
        key = f"project-{project_id}"
        create_table_artifact(table=rows, key=f"{key}-figures", description="Figures of the newest run")
        create_markdown_artifact(markdown=in_words(project, rows, sentence), key=f"{key}-in-words")
    except Exception as error:  # Prefect is a doorbell: the work itself is done
        logger.warning("the artifacts of project %d could not be written: %s", project_id, error)


def figures(project: Project, labels: int, version: ModelVersion | None) -> list[dict[str, str]]:
    """Return rows of a figure's name and value: labels, the model, its accuracy, what it finds of each class."""
    rows = [("Labels", f"{labels:,}")]
    if version is not None:
        rows += [("Model version", f"{version.number}"), ("Labels it learned from", f"{version.labels_used:,}")]
        for split in _MEASURED:
            rows += _measured(project, split, version.metrics.get(split) or {})
    return [{"figure": name, "value": value} for name, value in rows]


def _measured(project: Project, split: str, found: dict[str, Any]) -> list[tuple[str, str]]:
    if found.get("accuracy") is None:
        return []
    rows = [(f"Accuracy on {split}", f"{found['accuracy']:.1%} of {found['total']:,} images")]
    if found.get("balanced_accuracy") is not None:
        rows.append((f"Balanced accuracy on {split}", f"{found['balanced_accuracy']:.1%}"))
    recall = found.get("class_recall") or {}
    named = [(entry.name, recall.get(str(entry.position))) for entry in project.classes]
    return rows + [(f"Found of {name} on {split}", f"{share:.1%}") for name, share in named if share is not None]


def in_words(project: Project, rows: list[dict[str, str]], sentence: str) -> str:
    """Return Markdown that says what the run did; names are shown as they are."""
    lines = [f"- {markdown_text(row['figure'])}: {markdown_text(row['value'])}" for row in rows]
    return "\n".join([f"# {markdown_text(project.name)}", "", markdown_text(sentence), "", *lines])
