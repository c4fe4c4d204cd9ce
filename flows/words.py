"""Figures in plain words, the same in the terminal and in the notes of a round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from db.records import Measured, Progress, Project, RoundSummary
from pipeline.statistics import wilson_interval, worst_first

if TYPE_CHECKING:
    from flows.ingest import IngestReport

SHOWN_REJECTIONS = 20
SHOWN_CLASSES = 5


def accuracy_words(summary: RoundSummary) -> str:
    """Return a round's accuracy with its interval and what it was measured on, or a dash.

    The test split is used where there is one; else the holdout, as far as it is labeled today.
    """
    return share_words(summary.measured)


def share_words(found: Measured | None) -> str:
    """Return an accuracy with its interval and what it was measured on, or a dash."""
    if found is None:
        return "-"
    low, high = wilson_interval(found.correct, found.total)
    return f"{found.accuracy:.1%} [{low:.1%}, {high:.1%}] on {found.total:,} {found.source} images"


def balanced_words(summary: RoundSummary) -> str:
    """Return the balanced accuracy on the same images, the mean of the classes' recalls, or a dash."""
    share = None if summary.measured is None else summary.measured.balanced_accuracy
    return "-" if share is None else f"{share:.1%}"


def calibration_words(summary: RoundSummary) -> str:
    """Return how far the model's confidence is from being right on the same images, in points, or a dash."""
    error = None if summary.measured is None else summary.measured.calibration_error
    return "-" if error is None else f"{100 * error:.1f}"


def recall_words(project: Project, recall: Mapping[int, float], most: int = SHOWN_CLASSES) -> str:
    """Name the classes that a model finds least of, the worst first; empty without any.

    Args:
        project: Names the classes; those that are gone are left out.
        recall: By class position.
        most: Classes to name.
    """
    names = {entry.name: recall.get(entry.position) for entry in project.classes}
    return ", ".join(f"{name} {share:.0%}" for name, share in worst_first(names)[:most])


def ingest_words(report: IngestReport) -> list[str]:
    """Say what became of the images of a source, a line each; bad ones by name and reason."""
    splits = ", ".join(f"{count:,} {split}" for split, count in sorted(report.by_split.items()))
    lines = [f"{report.added:,} images added" + (f" ({splits})" if splits else "") + "."]
    for count, text in (
        (report.labeled, "labels came with them and are used"),
        (report.already, "were there already"),
        (report.duplicates, "came twice and were kept once"),
        (len(report.rejected), "could not be used:"),
    ):
        if count:
            lines.append(f"{count:,} {text}")
    lines += [f"  {file}: {reason}" for file, reason in report.rejected[:SHOWN_REJECTIONS]]
    if len(report.rejected) > SHOWN_REJECTIONS:
        lines.append(f"  ... and {len(report.rejected) - SHOWN_REJECTIONS:,} more")
    return lines + [f"{count:,} {note}" for note, count in report.notes.most_common()]


def job_words(report: Progress) -> str:
    """Say what is going on, or what people can do next."""
    if report.job is not None:
        part = f" ({report.job.done} of {report.job.total})" if report.job.total else ""
        return f"Running now: {report.job.kind}: {report.job.message}{part}"
    if report.last_error:
        return f"The last run failed: {report.last_error}. Do: borderline round {report.project.name}"
    if report.project.state == "finished":
        return "All images have an answer."
    if report.budget_used:
        return (
            f"The budget of {report.project.label_budget:,} labels is used: no further round begins. "
            f"Raise it with: borderline project edit {report.project.name} --label-budget N"
        )
    if report.waiting:
        return "Waiting for answers: the labeling page opens with borderline up."
    if not report.counts.pool:
        return f"No images yet. Do: borderline ingest {report.project.name} FOLDER"
    return f"Nothing is running. Do: borderline up, or borderline round {report.project.name}"
