"""Figures in plain words, the same in the terminal and in the notes of a round."""

from __future__ import annotations

from db.records import Progress, RoundSummary
from pipeline.statistics import wilson_interval


def accuracy_words(summary: RoundSummary) -> str:
    """Return a round's accuracy with its interval and what it was measured on, or a dash.

    The test split is used where there is one; else the holdout, as far as it is labeled today.
    """
    test = summary.metrics.get("test") if summary.metrics else None
    if test:
        return _interval(test["correct"], test["total"], "test")
    if summary.holdout and summary.holdout.total:
        return _interval(summary.holdout.correct, summary.holdout.total, "holdout")
    return "-"


def _interval(correct: int, total: int, split: str) -> str:
    low, high = wilson_interval(correct, total)
    return f"{correct / total:.1%} [{low:.1%}, {high:.1%}] on {total:,} {split} images"


def job_words(report: Progress) -> str:
    """Say what is going on, or what people can do next."""
    if report.job is not None:
        part = f" ({report.job.done} of {report.job.total})" if report.job.total else ""
        return f"Running now: {report.job.kind}: {report.job.message}{part}"
    if report.last_error:
        return f"The last run failed: {report.last_error}. Do: borderline round {report.project.name}"
    if report.project.state == "finished":
        return "All images have an answer."
    if report.waiting:
        return "Waiting for answers: the labeling page opens with borderline up."
    if not report.counts.pool:
        return f"No images yet. Do: borderline ingest {report.project.name} FOLDER"
    return f"Nothing is running. Do: borderline up, or borderline round {report.project.name}"
