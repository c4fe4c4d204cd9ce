"""Figures in plain words, the same in the terminal and in the notes of a round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.records import Progress, RoundSummary
from pipeline.statistics import wilson_interval

if TYPE_CHECKING:
    from flows.ingest import IngestReport

SHOWN_REJECTIONS = 20


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
    if report.waiting:
        return "Waiting for answers: the labeling page opens with borderline up."
    if not report.counts.pool:
        return f"No images yet. Do: borderline ingest {report.project.name} FOLDER"
    return f"Nothing is running. Do: borderline up, or borderline round {report.project.name}"
